#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/ranked_victims.hpp"
#include "dsasim/cache/reuse_table.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Reuse table: learns, for entries of an age, a slow frequency and a distance from the query, how often they are
/// selected again, and evicts those for which the table expects least. All in integers but the last comparison.
///
/// Each cell of the table (reuse_table.hpp) averages what became of the entries that were in it a step ago: 1 (32,768)
/// if the entry was selected, half of what the table expects of it now if it was not; so a cell holds the expected,
/// halved at each step, number of selections to come.
///
/// Defined for the cache of one stream. An entry that an insert() brings in counts as used at the step of the selection
/// before, without being selected.
class Rt {
 public:
  static constexpr std::string_view name = "rt";
  static constexpr std::string_view sentence =
      "A selection at a time: learns the reuse of entries by age, slow frequency and distance, evicts the least "
      "expected.";
  static constexpr std::string_view source = "made for this access pattern: docs/policies.md";
  static constexpr std::array parameters{History::parameter};
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = 40;
  static constexpr PolicyNeeds needs{.whole_selection = true, .one_stream = true};
  static constexpr double slot_bytes = 64;
  static constexpr double place_bytes = 16;

  explicit Rt(const PolicySetup& setup)
      : history_(setup.spec),
        table_(setup.longest_selection),
        entries_(setup.directory_entries),
        views_(setup.capacity_entries),
        victims_(setup.capacity_entries) {
    keys_.reserve(setup.capacity_entries);
    watched_.reserve(setup.capacity_entries);
  }

  void on_begin(const StepSelection& selection) {
    now_ = selection.from.step;
    query_key_ = std::int64_t{selection.from.base} + static_cast<std::int64_t>(selection.from.query);
    for (const EntryId id : selection.ids) {
      Entry& entry = entries_[selection.from.base + value(id)];
      use(entry);
      entry.frequency = ReuseTable::selected(entry.frequency);
      entry.named = true;
    }
    look();
    learn();
    watch();
    rank(selection.evictions);
    for (const EntryId id : selection.ids) {
      entries_[selection.from.base + value(id)].named = false;
    }
  }

  void on_hit(Access /*access*/) noexcept {}
  bool admits() noexcept { return true; }

  SlotId victim(std::uint32_t /*key*/) noexcept {
    if (victims_.empty()) {  // an insert
      look();
      rank(1);
    }
    return victims_.take();
  }

  void on_evict(Access access) noexcept { entries_[access.key].resident = false; }

  void on_fill(Access access) noexcept {
    if (value(access.slot) == keys_.size()) {
      keys_.push_back(access.key);
    }
    keys_[value(access.slot)] = access.key;
    use(entries_[access.key]);
    entries_[access.key].resident = true;
  }

  void on_end() noexcept {}

  bool invariant() const {
    return victims_.empty() && std::ranges::all_of(keys_, [this](std::uint32_t key) { return entries_[key].resident; });
  }

 private:
  struct Entry {
    std::uint64_t last_use;   ///< step
    std::uint16_t frequency;  ///< then
    bool resident;
    bool named;  ///< by the selection that is open
  };
  struct Watched {
    std::uint32_t key;
    std::uint32_t slot;
    std::uint32_t cell;
    std::uint32_t outcome;
  };

  void use(Entry& entry) noexcept {
    const bool kept = entry.resident || !history_.forgets(now_ - entry.last_use);
    entry.frequency =
        kept ? static_cast<std::uint16_t>(table_.frequency(entry.frequency, now_ - entry.last_use)) : std::uint16_t{0};
    entry.last_use = now_;
  }

  ReuseTable::View view(std::uint32_t key) const noexcept {
    const Entry& entry = entries_[key];
    return table_.view(entry.frequency, now_ - entry.last_use, query_key_ - std::int64_t{key});
  }

  /// Of the residents that the open selection does not name.
  void look() noexcept {
    for (std::size_t slot = 0; slot < keys_.size(); ++slot) {
      if (!entries_[keys_[slot]].named) {
        views_[slot] = view(keys_[slot]);
      }
    }
  }

  /// What became of the entries that were watched, those evicted since included; after look().
  void learn() noexcept {
    for (Watched& watched : watched_) {
      const bool stayed = keys_[watched.slot] == watched.key;
      watched.outcome = entries_[watched.key].named
                            ? ReuseTable::one / 2
                            : table_.expected(stayed ? views_[watched.slot] : view(watched.key)) / 2;
    }
    table_.forget();
    for (const Watched& watched : watched_) {
      table_.learn(watched.cell, watched.outcome);
    }
  }

  /// Of the residents that the open selection does not name: to learn of them at the next one.
  void watch() noexcept {
    watched_.clear();
    for (std::uint32_t slot = 0; slot < keys_.size(); ++slot) {
      if (!entries_[keys_[slot]].named) {
        watched_.push_back({.key = keys_[slot], .slot = slot, .cell = views_[slot].cell, .outcome = 0});  // reserved
      }
    }
  }

  /// Chooses among the residents that the open selection does not name; after look().
  void rank(std::size_t count) {
    victims_.clear();
    for (std::uint32_t slot = 0; slot < keys_.size() && count > 0; ++slot) {
      const Entry& entry = entries_[keys_[slot]];
      if (!entry.named) {
        const float worth = static_cast<float>(table_.expected(views_[slot])) +
                            static_cast<float>(views_[slot].frequency) / static_cast<float>(ReuseTable::one);
        victims_.add({.value = worth, .last_use = entry.last_use, .key = keys_[slot]}, SlotId{slot});
      }
    }
    victims_.choose(count);
  }

  History history_;
  ReuseTable table_;
  ZeroedArray<Entry> entries_;           ///< by key
  std::vector<std::uint32_t> keys_;      ///< by slot
  std::vector<ReuseTable::View> views_;  ///< by slot
  std::vector<Watched> watched_;         ///< residents that the selection before did not name
  RankedVictims victims_;
  std::uint64_t now_ = 0;
  std::int64_t query_key_ = 0;  ///< of the query's own entry
};

}  // namespace dsasim
