#include "generate/departed.hpp"

#include <algorithm>

namespace dsasim::synthesis {

void Departed::begin_step(std::uint64_t step, std::span<const EntryState> states) {
  for (std::size_t at = 0; at < classes; ++at) {
    left_at_[at * ring_steps + step % ring_steps] = 0;
    move_bounds(at, step);
    Class& of = classes_[at];
    constexpr std::size_t few = 64;
    if (of.entries.size() > 2 * of.out + few) {
      drop_returned(of, step, states);
    }
  }
}

/// A gap leaves bucket b when it is longer than 2^b.
void Departed::move_bounds(std::size_t at, std::uint64_t step) noexcept {
  Class& of = classes_[at];
  for (std::size_t bucket = 0; bucket < bounded_buckets; ++bucket) {
    const std::uint64_t longest = std::uint64_t{1} << bucket;
    if (step <= longest) {
      return;
    }
    const std::uint64_t since = step - longest - 1;
    std::size_t& first = of.first[bucket];
    while (first < of.entries.size() && of.entries[first].since <= since) {
      ++first;
    }
    const std::uint32_t moved = left_at_[at * ring_steps + since % ring_steps];
    const std::size_t cell = cell_of(first_run_classes + at, bucket);
    counts_[cell] -= moved;
    counts_[cell + 1] += moved;
  }
}

void Departed::drop_returned(Class& of, std::uint64_t step, std::span<const EntryState> states) {
  std::size_t kept = 0;
  for (const Entry entry : of.entries) {
    of.entries[kept] = entry;
    kept += static_cast<std::size_t>(states[entry.id].out_since(entry.since));
  }
  of.entries.resize(kept);
  for (std::size_t bucket = 0; bucket < bounded_buckets; ++bucket) {
    const std::uint64_t longest = std::uint64_t{1} << bucket;
    const auto bound =
        std::ranges::partition_point(of.entries, [&](const Entry& entry) { return entry.since + longest < step; });
    of.first[bucket] = static_cast<std::size_t>(bound - of.entries.begin());
  }
}

std::span<const Departed::Entry> Departed::entries(std::size_t cell) const noexcept {
  if (cell < cell_of(first_run_classes, 0)) {
    return {};
  }
  const Class& of = classes_[cell / duration_buckets - first_run_classes];
  const std::size_t bucket = cell % duration_buckets;
  const std::size_t first = bucket < bounded_buckets ? of.first[bucket] : 0;
  const std::size_t last = bucket > 0 ? of.first[bucket - 1] : of.entries.size();
  return std::span(of.entries).subspan(first, last - first);
}

void Departed::add(std::uint32_t id, const EntryState& state) {
  const std::size_t activity = state.activity_class();
  Class& of = classes_[activity - first_run_classes];
  of.entries.push_back({.id = id, .since = state.since()});
  ++of.out;
  ++counts_[cell_of(activity, 0)];
  ++left_at_[(activity - first_run_classes) * ring_steps + state.since() % ring_steps];
}

void Departed::remove(const EntryState& state, std::uint64_t step) noexcept {
  const std::size_t cell = cell_of(state, step);
  const std::size_t at = cell / duration_buckets - first_run_classes;
  --counts_[cell];
  --classes_[at].out;
  if (cell % duration_buckets < bounded_buckets) {
    --left_at_[at * ring_steps + state.since() % ring_steps];
  }
}

}  // namespace dsasim::synthesis
