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
      : table_(setup.longest_selection),
        candidate_at_(setup.capacity_entries),
        staging_(integer_value(setup.spec, "staging")) {
    views_.reserve(setup.capacity_entries);
    watched_.reserve(setup.capacity_entries);
  }
  static History history(const PolicySpec& spec) { return History(spec); }
  std::size_t staging() const noexcept { return staging_; }

  void begin(const StepSelection& selection) noexcept {
    query_key_ = std::int64_t{selection.from.base} + static_cast<std::int64_t>(selection.from.query);
  }
  State after(State frequency, std::uint64_t steps) const noexcept {
    return static_cast<State>(table_.frequency(frequency, steps));
  }
  static void select(std::size_t /*i*/, State& frequency) noexcept { frequency = ReuseTable::selected(frequency); }

  /// What became of the entries that need not have been in the cache after the selection before, whether or not they
  /// were.
  void learn(const Entries& entries, std::span<const Candidate> candidates, std::uint64_t now) {
    look(entries, candidates, now);
    for (Watched& watched : watched_) {
      const bool had_slot = watched.slot != Candidate::no_slot;
      const std::uint32_t i = had_slot ? candidate_at_[watched.slot] : 0;
      if (had_slot && i < candidates.size() && candidates[i].slot == watched.slot && candidates[i].key == watched.key) {
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
    watched_.resize(candidates.size());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      watched_[i] = {.key = candidates[i].key, .slot = candidates[i].slot, .cell = views_[i].cell, .outcome = 0};
    }
  }

  /// What would have become of it teaches nothing.
  void forget(std::uint32_t key) noexcept {
    std::erase_if(watched_, [key](const Watched& watched) { return watched.key == key; });
  }

  void look(const Entries& entries, std::span<const Candidate> candidates, std::uint64_t now) noexcept {
    views_.resize(candidates.size());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      views_[i] = view(candidates[i].key, entries[candidates[i].key], now);
      if (candidates[i].slot != Candidate::no_slot) {
        candidate_at_[candidates[i].slot] = static_cast<std::uint32_t>(i);
      }
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
  std::vector<ReuseTable::View> views_;      ///< by candidate
  std::vector<std::uint32_t> candidate_at_;  ///< by slot: where its entry was among the candidates when
                                             ///< it last was
  std::vector<Watched> watched_;             ///< what the selection before did not name
  std::size_t staging_;
  std::int64_t query_key_ = 0;  ///< of the query's own entry
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
  static constexpr std::array parameters{
      History::parameter,
      PolicyParameter{"staging", "0", "0..1000000",
                      "rows of a selection that need not have a slot: an area holds them for the step alone"}};

  using RankPolicy::RankPolicy;
};

}  // namespace dsasim
