#include "replay/gather_cost.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace dsasim {
namespace {

constexpr std::uint64_t memory_line_bytes = 64;

/// By layer: of what a miss fetches one or several of.
std::vector<std::uint64_t> fetched_row_bytes(const TraceReader& trace, const EffectiveConfig& effective) {
  std::vector<std::uint64_t> bytes = effective.row_bytes;
  const std::vector<CacheUnit> units = cache_units(trace.header(), effective.asked.granularity);
  for (std::size_t layer = 0; layer < bytes.size(); ++layer) {
    bytes[layer] /= units[layer].parts;
  }
  return bytes;
}

/// What a row's part of the time follows: its misses; if no row has any, its accesses, since a gather of hits takes
/// time too.
using Weight = std::uint64_t (*)(const Counters&);

std::uint64_t sum_of(std::span<const StepRow> rows, Weight weight) {
  return std::accumulate(rows.begin(), rows.end(), std::uint64_t{0},
                         [&](auto sum, const StepRow& row) { return sum + weight(row.counters); });
}

/// Gives each row its part of `total_ns`: the whole parts first, then one nanosecond each to the largest remainders,
/// the earlier request first among equals.
void share_out(std::uint64_t total_ns, std::span<StepRow> rows) {
  Weight weight = [](const Counters& counters) { return counters.demand_misses(); };
  std::uint64_t sum = sum_of(rows, weight);
  if (sum == 0) {
    weight = [](const Counters& counters) { return counters.accesses; };
    sum = sum_of(rows, weight);
  }
  if (sum == 0) {
    return;
  }
  __extension__ using Wide = unsigned __int128;
  std::vector<std::pair<std::uint64_t, std::size_t>> remainders;
  std::uint64_t left = total_ns;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Wide product = Wide{total_ns} * weight(rows[i].counters);
    rows[i].counters.gather_ns = static_cast<std::uint64_t>(product / sum);
    left -= rows[i].counters.gather_ns;
    remainders.emplace_back(static_cast<std::uint64_t>(product % sum), i);
  }
  std::stable_sort(remainders.begin(), remainders.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::uint64_t i = 0; i < left; ++i) {
    ++rows[remainders[i].second].counters.gather_ns;
  }
}

std::unique_ptr<Llc> make_ordinary_part(const EffectiveConfig& effective) {
  if (!effective.llc) {
    return nullptr;
  }
  const std::uint64_t reserved = *effective.reservation.bytes;  // a cache around it needs the bytes of an entry
  if (reserved > effective.llc->bytes) {
    throw ConfigError("`capacity`", "{} reserves {} bytes in all caches together, and `llc` has {}",
                      effective.asked.capacity.text(), reserved, effective.llc->bytes);
  }
  return make_llc(*effective.llc, reserved, effective.asked.set_aside_bytes);
}

}  // namespace

GatherCost::GatherCost(const TraceReader& trace, const EffectiveConfig& effective, const ReplayHooks& hooks)
    : trace_(trace),
      effective_(effective),
      hooks_(hooks),
      swaps_in_(effective.memory_model == "host" && effective.asked.scope == Scope::stream &&
                policy_needs(effective.asked.policy).whole_selection),
      row_bytes_(fetched_row_bytes(trace, effective)),
      persisting_(effective.asked.set_aside_bytes > 0),
      memory_(make_memory(effective.memory).model),
      needs_(memory_->needs()),
      llc_(make_ordinary_part(effective)),
      sector_bytes_(effective.llc ? effective.llc->sector_bytes : 0),
      addresses_(needs_missed() ? std::make_optional<RowAddresses>(trace, effective.asked.granularity, row_bytes_)
                                : std::nullopt) {}

void GatherCost::read_stream(const ByteStream& stream) {
  if (llc_ != nullptr) {
    llc_->pass_stream(stream.address, stream.bytes);
  }
}

GatherPrice GatherCost::price(std::uint32_t layer, std::span<StepRow> rows,
                              std::span<const std::vector<EntryId>> missed, bool counted) {
  const std::uint32_t kv_rows = trace_.header().kv_rows(layer);
  const bool report = counted && hooks_.on_lines;
  // Without addresses to look up, the layers of a group are the same. Those that share rows read them together.
  const bool alike = llc_ == nullptr && !report;
  const std::uint32_t members = alike ? 1 : kv_rows;
  const std::uint32_t copies = alike ? kv_rows : 1;
  GatherPrice price;
  double ns = 0;
  for (std::uint32_t member = 0; member < members; ++member) {
    Gather gather = gather_of(layer, member, rows, missed);
    if (member > 0 || !swaps_in_) {
      ns += copies * memory_->gather_ns(gather);
    } else {  // the layers that share its index are told the rows
      ns += copies > 1 ? (copies - 1) * memory_->gather_ns(gather) : 0;
      gather.swap_in = swap_in_of(layer, rows);
      ns += memory_->gather_ns(gather);
    }
    price.rows += gather.rows();
    price.cold_rows += gather.missed_rows - gather.llc_rows;
    if (report) {
      hooks_.on_lines(lines_);
    }
  }
  price.ns = rounded(ns, "gather_ns");
  share_out(price.ns, rows);
  return price;
}

std::uint64_t GatherCost::all_hit_ns(std::uint32_t layer, std::uint64_t rows) {
  const Gather gather{.row_bytes = row_bytes_[layer], .hit_rows = rows};
  return rounded(memory_->gather_ns(gather) * trace_.header().kv_rows(layer), "gather_ns if all rows hit");
}

/// Rows of one layer of the group.
std::uint64_t GatherCost::missed_rows(std::uint32_t layer, const Counters& counters) const {
  return counters.fetched_rows / trace_.header().kv_rows(layer);
}

Gather GatherCost::gather_of(std::uint32_t layer, std::uint32_t member, std::span<StepRow> rows,
                             std::span<const std::vector<EntryId>> missed) {
  Gather gather{.row_bytes = row_bytes_[layer]};
  lines_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Counters& counters = rows[i].counters;
    gather.hit_rows += counters.accesses - counters.demand_misses();
    gather.missed_rows += missed_rows(layer, counters);
    gather.missed_pages += counters.missed_pages;
    if (!needs_missed()) {
      continue;
    }
    row_addresses_.clear();
    for (const EntryId entry : missed[i]) {
      row_addresses_.push_back(addresses_->address(layer, rows[i].request, member, entry));
    }
    read_rows(row_bytes_[layer], counters, gather);
  }
  gather.lines = lines_;
  return gather;
}

std::optional<SwapIn> GatherCost::swap_in_of(std::uint32_t layer, std::span<const StepRow> rows) const {
  const auto& capacities = effective_.capacity_entries;
  const std::size_t requests = trace_.request_count();
  SwapIn call{.selected_rows = trace_.longest_union()};
  for (const StepRow& row : rows) {
    const std::uint64_t slots = capacities.size() == 1 ? capacities.front()
                                : capacities.size() == trace_.layer_count()
                                    ? capacities[layer]
                                    : capacities[layer * requests + row.request];
    if (slots == 0) {
      return std::nullopt;  // no buffer: rows are gathered as they are selected
    }
    const RequestInfo& request = trace_.header().requests[row.request];
    const std::uint64_t context = request.prompt_tokens + (row.step - request.start_step) + 1;
    const bool fits = !trace_.header().has_queries && context / trace_.header().store(layer).unit_tokens <= slots;
    if (row.counters.demand_misses() > 0 || !fits) {
      ++call.requests;
      call.slots = std::max(call.slots, slots);
      call.most_missed_rows = std::max(call.most_missed_rows, missed_rows(layer, row.counters));
    }
  }
  return call.requests > 0 ? call : SwapIn{.requests = rows.size()};  // all contexts fit: nothing is looked up
}

void GatherCost::read_rows(std::uint64_t row_bytes, Counters& counters, Gather& gather) {
  if (llc_ == nullptr) {
    for (const std::uint64_t address : row_addresses_) {
      const std::uint64_t last = address + row_bytes - 1;
      for (std::uint64_t line = address / memory_line_bytes; line <= last / memory_line_bytes; ++line) {
        lines_.push_back(line * memory_line_bytes);
      }
    }
    return;
  }
  const LlcReads reads = llc_->read_rows(row_addresses_, row_bytes, persisting_, lines_);
  counters.llc_sectors += reads.sectors;
  counters.llc_hit_sectors += reads.hit_sectors;
  gather.llc_rows += reads.hit_rows;
  gather.llc_bytes += reads.hit_sectors * sector_bytes_ - reads.hit_rows * row_bytes;
}

}  // namespace dsasim
