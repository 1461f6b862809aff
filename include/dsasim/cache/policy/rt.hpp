#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/rank_policy.hpp"
#include "dsasim/cache/reuse_table.hpp"
#include "dsasim/zeroed_array.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace dsasim {

/// Each cell of the table (reuse_table.hpp) averages what became of the entries that were in it a step ago: 1 (32,768)
/// if the entry was selected, half of what the table expects of it now if it was not; so a cell holds the expected,
/// halved at each step, number of selections to come.
class ReuseRanks {
 public:
  static constexpr double access_ns = 30;
  static constexpr PolicyNeeds needs{.whole_selection = true, .one_stream = true};
  static constexpr double slot_bytes = 32;
  using State = std::uint16_t;  ///< the slow frequency
  using Entries = ZeroedArray<RankedEntry<State>>;

  explicit ReuseRanks(const PolicySetup& setup)
      : table_(setup.longest_selection), evictable_at_(setup.capacity_entries) {
    views_.reserve(setup.capacity_entries);
    watched_.reserve(setup.capacity_entries);
  }
  static History history(const PolicySpec& spec) { return History(spec); }

  void begin(const StepSelection& selection) noexcept {
    query_key_ = std::int64_t{selection.from.base} + static_cast<std::int64_t>(selection.from.query);
  }
  State after(State frequency, std::uint64_t steps) const noexcept {
    return static_cast<State>(table_.frequency(frequency, steps));
  }
  static void select(std::size_t /*i*/, State& frequency) noexcept { frequency = ReuseTable::selected(frequency); }

  /// What became of the entries that could have been evicted at the selection before, those that were included.
  void learn(const Entries& entries, std::span<const Evictable> evictable, std::uint64_t now) {
    look(entries, evictable, now);
    for (Watched& watched : watched_) {
      const std::uint32_t i = evictable_at_[watched.slot];
      if (i < evictable.size() && evictable[i].key == watched.key) {
        watched.outcome = table_.expected(views_[i]) / 2;
      } else {  // selected, or gone
        const auto& entry = entries[watched.key];
        watched.outcome = entry.named ? ReuseTable::one / 2 : table_.expected(view(watched.key, entry, now)) / 2;
      }
    }
    table_.forget();
    for (const Watched& watched : watched_) {
      table_.learn(watched.cell, watched.outcome);
    }
    watched_.resize(evictable.size());
    for (std::size_t i = 0; i < evictable.size(); ++i) {
      watched_[i] = {.key = evictable[i].key, .slot = evictable[i].slot, .cell = views_[i].cell, .outcome = 0};
    }
  }

  void look(const Entries& entries, std::span<const Evictable> evictable, std::uint64_t now) noexcept {
    views_.resize(evictable.size());
    for (std::size_t i = 0; i < evictable.size(); ++i) {
      views_[i] = view(evictable[i].key, entries[evictable[i].key], now);
      evictable_at_[evictable[i].slot] = static_cast<std::uint32_t>(i);
    }
  }

  float worth(std::size_t i, const RankedEntry<State>& /*entry*/, std::uint64_t /*now*/) const noexcept {
    return static_cast<float>(table_.expected(views_[i])) +
           static_cast<float>(views_[i].frequency) / static_cast<float>(ReuseTable::one);
  }

 private:
  struct Watched {
    std::uint32_t key;
    std::uint32_t slot;
    std::uint32_t cell;
    std::uint32_t outcome;
  };

  ReuseTable::View view(std::uint32_t key, const RankedEntry<State>& entry, std::uint64_t now) const noexcept {
    return table_.view(entry.state, now - entry.last_use, query_key_ - std::int64_t{key});
  }

  ReuseTable table_;
  std::vector<ReuseTable::View> views_;      ///< by evictable
  std::vector<std::uint32_t> evictable_at_;  ///< by slot: where its entry was among the evictable when it last was
  std::vector<Watched> watched_;             ///< what the selection before did not name
  std::int64_t query_key_ = 0;               ///< of the query's own entry
};

/// Reuse table: learns, for entries of an age, a slow frequency and a distance from the query, how often they are
/// selected again, and evicts those for which the table expects least. All in integers but the last comparison. Defined
/// for the cache of one stream.
class Rt : public RankPolicy<ReuseRanks> {
 public:
  static constexpr std::string_view name = "rt";
  static constexpr std::string_view sentence =
      "A selection at a time: learns the reuse of entries by age, slow frequency and distance, evicts the least "
      "expected.";
  static constexpr std::string_view source = "made for this access pattern: docs/policies.md";
  static constexpr std::array parameters{History::parameter};

  using RankPolicy::RankPolicy;
};

}  // namespace dsasim
