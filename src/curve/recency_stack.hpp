#pragma once

#include "curve/live_places.hpp"
#include "curve/reuse_counts.hpp"

#include "dsasim/cache/set_change.hpp"
#include "dsasim/trace/header.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace dsasim {

/// The entries of one cache of unlimited size in the order of their last uses, to say of each access how many other
/// entries were used since its entry's last use: its stack distance.
///
/// Every use has a place in a row of places, of which the last of each entry is live. The distance is the number of
/// live places after it. As in LruSetCache, a stream's last selection is outside the row while selections come as
/// ascending sets: what stays selected keeps no place, and its distance follows from how many entries came and went
/// before it.
class RecencyStack {
 public:
  struct Options {
    bool intervals = false;  ///< remember the steps of last uses
    /// Distances below this need not be told from 0: no capacity of interest is smaller.
    std::uint64_t least_capacity = 0;
  };

  /// Stamps have 32 bits, and the row four places for each entry.
  static constexpr std::uint32_t most_used_entries = (std::uint32_t{1} << 30U) - 512;

  /// Of the row, for so many entries.
  static constexpr std::uint64_t places(std::uint64_t used_entries) noexcept { return 4 * used_entries + 1024; }

  /// Of all entries in the directory, at most `used_entries` are ever used.
  RecencyStack(std::uint32_t directory_entries, std::uint64_t used_entries, const Options& options)
      : options_(options),
        stamp_of_(directory_entries),
        last_step_(options.intervals ? directory_entries : 0),
        selected_((std::size_t{directory_entries} + 63) / 64),
        row_(places(used_entries)) {}

  /// A selection as a list, in any order.
  void select(std::uint32_t base, std::span<const EntryId> ids, std::uint32_t step, ReuseCounts* counts) {
    settle_all();
    use_(*this, base, {}, ids, {}, step, counts);
    depart(base, ids, step);
  }

  /// A selection as a set, logged in ascending order.
  void select_set(std::uint32_t base, const SelectionView& selection, std::uint32_t step, ReuseCounts* counts) {
    const std::span<const std::uint64_t> words(selection.words, selection.word_count);
    const auto kept = std::span<std::uint64_t>(selected_).subspan(base / 64, words.size());
    Stream& stream = stream_at(base);
    arrived_.resize(std::max<std::size_t>(arrived_.size(), selection.size + change_slack));
    departed_.resize(std::max<std::size_t>(departed_.size(), stream.size + change_slack));
    const SetChange change = change_set(kept, words, arrived_.data(), departed_.data());
    const auto arrived = std::span<const EntryId>(arrived_).first(change.arrived);
    const auto departed = std::span<const EntryId>(departed_).first(change.departed);
    use_(*this, base, words, arrived, departed, step, counts);
    depart(base, departed, stream.step);
    outside_ = outside_ + change.arrived - change.departed;
    stream.size = selection.size;
    stream.step = step;
    stream.word_count = selection.word_count;
    stream.turn = ++turns_;
  }

  /// The stream selects no more, from this turn of its on.
  void release(std::uint32_t base) { settle(stream_at(base)); }

  /// Puts a new entry in as the newest, without an access. One that was selected before, which a cache of one size
  /// still has and of another has not, would belong in two places: false.
  [[nodiscard]] bool insert(std::uint32_t base, EntryId entry, std::uint32_t step) {
    settle_all();
    if (stamp_of_[base + value(entry)] != never) {
      return false;
    }
    depart(base, {&entry, 1}, step);
    return true;
  }

 private:
  static constexpr std::uint32_t never = 0;  ///< a stamp is a place plus 1
  static constexpr std::uint32_t outside = std::numeric_limits<std::uint32_t>::max();

  struct Stream {
    std::uint32_t base = 0;
    std::uint32_t size = 0;  ///< of its last selection
    std::uint32_t word_count = 0;
    std::uint32_t step = 0;
    std::uint64_t turn = 0;  ///< of its last selection, among those of all streams
  };

  Stream& stream_at(std::uint32_t base) {
    auto at = std::lower_bound(streams_.begin(), streams_.end(), base,
                               [](const Stream& stream, std::uint32_t wanted) { return stream.base < wanted; });
    if (at == streams_.end() || at->base != base) {
      at = streams_.insert(at, {.base = base});
    }
    return *at;
  }

  /// Counts a selection's accesses, of what stays selected and of what arrives, and moves what arrives out of the row:
  /// compiled for each instruction set.
  using Use = void (*)(RecencyStack&, std::uint32_t base, std::span<const std::uint64_t> words,
                       std::span<const EntryId> arrived, std::span<const EntryId> departed, std::uint32_t step,
                       ReuseCounts* counts);
  DSASIM_INLINE void use(std::uint32_t base, std::span<const std::uint64_t> words, std::span<const EntryId> arrived,
                         std::span<const EntryId> departed, std::uint32_t step, ReuseCounts* counts) {
    if (counts != nullptr && !words.empty()) {  // of a list, all arrive
      count_kept(words, arrived, departed, *counts);
    }
    arrive(base, arrived, outside_, step, counts);
  }
  static Use best_use() noexcept {
#if defined(__x86_64__)
    const trace::InstructionSet set = trace::best_instruction_set();
    if (set == trace::InstructionSet::avx512) {
      return [](RecencyStack& stack, auto... rest) DSASIM_AVX512 { stack.use(rest...); };
    }
    if (set == trace::InstructionSet::bmi2) {
      return [](RecencyStack& stack, auto... rest) DSASIM_BMI2 { stack.use(rest...); };
    }
#endif
    return [](RecencyStack& stack, auto... rest) { stack.use(rest...); };
  }

  /// What was selected a step ago and is again. Entries outside, other than its own stream's, were all used since; of
  /// its own, those after it a step ago and those before it now: as many as it has before it now, less those it had.
  DSASIM_INLINE void count_kept(std::span<const std::uint64_t> words, std::span<const EntryId> arrived,
                                std::span<const EntryId> departed, ReuseCounts& counts) {
    std::uint64_t kept = 0;
    if (options_.least_capacity > outside_ + arrived.size()) {
      for (const std::uint64_t word : words) {
        kept += static_cast<unsigned>(std::popcount(word));
      }
      count_run(0, kept - arrived.size(), counts);
      return;
    }
    std::uint64_t distance = outside_ - 1;
    std::uint64_t run = 0;
    std::size_t next_arrived = 0;
    std::size_t next_departed = 0;
    for (std::size_t word = 0; word < words.size(); ++word) {
      std::uint64_t left = words[word];
      const auto end = static_cast<std::uint32_t>(word * 64 + 64);
      // Runs end where an entry arrives or departs; both are few.
      while ((next_arrived < arrived.size() && value(arrived[next_arrived]) < end) ||
             (next_departed < departed.size() && value(departed[next_departed]) < end)) {
        const std::uint32_t arrives = next_arrived < arrived.size() ? value(arrived[next_arrived]) : end;
        const std::uint32_t departs = next_departed < departed.size() ? value(departed[next_departed]) : end;
        const unsigned place = std::min(arrives, departs) % 64;
        const std::uint64_t before = (std::uint64_t{1} << place) - 1;
        run += static_cast<unsigned>(std::popcount(left & before));
        count_run(distance, run, counts);
        run = 0;
        left &= ~before;
        if (arrives < departs) {
          left &= ~(std::uint64_t{1} << place);
          ++distance;
          ++next_arrived;
        } else {
          --distance;
          ++next_departed;
        }
      }
      run += static_cast<unsigned>(std::popcount(left));
    }
    count_run(distance, run, counts);
  }

  DSASIM_INLINE void count_run(std::uint64_t distance, std::uint64_t accesses, ReuseCounts& counts) const {
    if (accesses == 0) {
      return;
    }
    counts.add(distance, accesses);
    if (options_.intervals) {
      counts.distance_entries.add(distance, accesses);
      counts.interval_steps.add(1, accesses);
    }
  }

  /// Accesses of entries that are in the row, or never were: they leave it. `newer` entries outside it were all used
  /// later.
  DSASIM_INLINE void arrive(std::uint32_t base, std::span<const EntryId> ids, std::uint64_t newer, std::uint32_t step,
                            ReuseCounts* counts) {
    std::uint32_t* const stamp_of = stamp_of_.data() + base;
    for (const EntryId id : ids) {
      const std::uint32_t stamp = stamp_of[value(id)];
      stamp_of[value(id)] = outside;
      if (stamp == never) {
        if (counts != nullptr) {
          ++counts->cold;
        }
      } else {
        if (counts != nullptr) {
          const std::uint64_t distance = row_.live_after(stamp - 1) + newer;
          counts->add(distance, 1);
          if (options_.intervals) {
            counts->distance_entries.add(distance, 1);
            counts->interval_steps.add(step - last_step_[base + value(id)], 1);
          }
        }
        row_.remove(stamp - 1);
      }
      ++newer;
    }
  }

  /// Entries join the row, in this order, with their last uses at `step`.
  void depart(std::uint32_t base, std::span<const EntryId> ids, std::uint32_t step) {
    if (row_.end() + ids.size() > row_.places()) {
      close_gaps();
    }
    std::uint32_t* const stamp_of = stamp_of_.data() + base;
    auto stamp = static_cast<std::uint32_t>(row_.end() + 1);
    for (const EntryId id : ids) {
      stamp_of[value(id)] = stamp++;
    }
    row_.append(ids.size());
    if (options_.intervals) {
      for (const EntryId id : ids) {
        last_step_[base + value(id)] = step;
      }
    }
  }

  /// Gives the live entries the first places, in their order.
  void close_gaps() {
    std::uint32_t live = 0;
    for (const std::uint32_t stamp : stamp_of_) {
      live += stamp != never && stamp != outside ? 1U : 0U;
    }
    for (std::uint32_t& stamp : stamp_of_) {
      if (stamp != never && stamp != outside) {
        stamp = live - row_.live_after(stamp - 1);
      }
    }
    row_.clear();
    row_.append(live);
  }

  void settle(Stream& stream) {
    arrived_.resize(std::max<std::size_t>(arrived_.size(), change_slack));
    departed_.resize(std::max<std::size_t>(departed_.size(), stream.size + change_slack));
    const std::vector<std::uint64_t> nothing(stream.word_count);
    const auto kept = std::span<std::uint64_t>(selected_).subspan(stream.base / 64, nothing.size());
    const SetChange change = change_set(kept, nothing, arrived_.data(), departed_.data());
    depart(stream.base, std::span<const EntryId>(departed_).first(change.departed), stream.step);
    outside_ -= change.departed;
    stream.size = 0;
  }

  /// What is outside joins the row in the order of the streams' last turns.
  void settle_all() {
    if (outside_ == 0) {
      return;
    }
    std::vector<Stream*> order;
    for (Stream& stream : streams_) {
      order.push_back(&stream);
    }
    std::sort(order.begin(), order.end(), [](const Stream* a, const Stream* b) { return a->turn < b->turn; });
    for (Stream* stream : order) {
      settle(*stream);
    }
  }

  Options options_;
  Use use_ = best_use();
  ZeroedArray<std::uint32_t> stamp_of_;   ///< by key; at first `never`
  ZeroedArray<std::uint32_t> last_step_;  ///< by key, of entries in the row; empty unless asked for
  ZeroedArray<std::uint64_t> selected_;   ///< by key, a bit: outside the row
  LivePlaces row_;
  std::uint64_t outside_ = 0;  ///< entries
  std::uint64_t turns_ = 0;
  std::vector<Stream> streams_;  ///< by base
  std::vector<EntryId> arrived_, departed_;
};

}  // namespace dsasim
