#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/ranked_victims.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Reuse table: learns, for entries of an age, a slow frequency and a distance from the query, how often they are
/// selected again, and evicts those for which the table expects least. All in integers but the last comparison.
///
/// An entry's slow frequency x decays by 31/32 a step and grows by 2,048 of 65,536 when it is selected. A cell of the
/// table is of 16 classes of age (steps since the last use), 16 of frequency (half octaves of x) and 4 of distance
/// (fractions of the top-k). Each cell averages what became of the entries that were in it a step ago: 1 (32,768) if
/// the entry was selected, half of what the table expects of it now if it was not; so a cell holds the expected, halved
/// at each step, number of selections to come. The average forgets 1/128 at each step and begins at a prior of the
/// weight of ten entries.
///
/// Defined for the cache of one stream. An entry that an insert() brings in counts as used at the step of the selection
/// before, without being selected.
class ReuseTable {
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

  explicit ReuseTable(const PolicySetup& setup)
      : top_k_(setup.longest_selection),
        history_(setup.spec),
        entries_(setup.directory_entries),
        views_(setup.capacity_entries),
        victims_(setup.capacity_entries) {
    keys_.reserve(setup.capacity_entries);
    watched_.reserve(setup.capacity_entries);
    for (std::uint64_t power = one; std::uint64_t & entry : decay_) {
      entry = power;
      power -= power / 32;
    }
    for (std::uint64_t age = 0; age < prior_.size(); ++age) {
      prior_[age] = one / 2 / (age + 3);
    }
    constexpr std::array<std::uint64_t, 15> limits = {0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 34, 48};
    for (std::uint64_t age = 0; age < age_class_.size(); ++age) {
      const auto below = std::lower_bound(limits.begin(), limits.end(), age) - limits.begin();
      age_class_[age] = static_cast<std::uint8_t>(below);
    }
  }

  void on_begin(const StepSelection& selection) {
    now_ = selection.from.step;
    query_key_ = std::int64_t{selection.from.base} + static_cast<std::int64_t>(selection.from.query);
    for (const EntryId id : selection.ids) {
      Entry& entry = entries_[selection.from.base + value(id)];
      use(entry);
      entry.frequency = static_cast<std::uint16_t>(std::min<std::uint32_t>(entry.frequency + 2048U, 65535));
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
  static constexpr std::uint32_t one = 65536;  ///< a frequency of 1; of what is expected, 2
  static constexpr std::uint64_t prior_weight = 10240;
  static constexpr std::uint64_t entry_weight = 1024;
  static constexpr std::size_t cells = std::size_t{16} * 16 * 4;
  static constexpr std::uint64_t oldest = 49;  ///< all ages above are of one class

  struct Entry {
    std::uint64_t last_use;   ///< step
    std::uint16_t frequency;  ///< then
    bool resident;
    bool named;  ///< by the selection that is open
  };
  /// What the table knows of an entry.
  struct View {
    std::uint32_t frequency;
    std::uint32_t prior;
    std::uint32_t cell;
  };
  struct Watched {
    std::uint32_t key;
    std::uint32_t slot;
    std::uint32_t cell;
    std::uint32_t outcome;
  };
  struct Cell {
    std::uint64_t sum = 0;
    std::uint64_t weight = 0;
  };

  std::uint64_t frequency(const Entry& entry) const noexcept {
    const std::uint64_t age = now_ - entry.last_use;
    return age < decay_.size() ? entry.frequency * decay_[age] / one : 0;
  }

  void use(Entry& entry) noexcept {
    const bool kept = entry.resident || !history_.forgets(now_ - entry.last_use);
    entry.frequency = kept ? static_cast<std::uint16_t>(frequency(entry)) : std::uint16_t{0};
    entry.last_use = now_;
  }

  /// Half octaves: the largest b in 1..15 with frequency >= 65536 * 2^((b - 15) / 2), 0 if there is none.
  static std::uint32_t frequency_class(std::uint64_t frequency) noexcept {
    constexpr std::uint32_t first_octave = 9;  // 65536 * 2^-7
    if (frequency < (std::uint64_t{1} << first_octave)) {
      return 0;
    }
    const auto octave = static_cast<std::uint32_t>(std::bit_width(frequency)) - 1;
    const bool upper_half = frequency * frequency >> (2 * octave + 1) != 0;  // not below sqrt(2) of the octave's first
    return 2 * (octave - first_octave) + 1 + (upper_half ? 1U : 0U);
  }

  std::uint32_t distance_class(std::uint32_t key) const noexcept {
    const std::int64_t distance = query_key_ - std::int64_t{key};
    return distance < top_k_ / 4 ? 0U : distance < top_k_ ? 1U : distance < 4 * top_k_ ? 2U : 3U;
  }

  View view(std::uint32_t key) const noexcept {
    const Entry& entry = entries_[key];
    const std::uint64_t age = now_ - entry.last_use;
    const std::uint64_t x = frequency(entry);
    const std::uint64_t prior = x / 2 + (age < prior_.size() ? prior_[age] : one / 2 / (age + 3));
    return {.frequency = static_cast<std::uint32_t>(x),
            .prior = static_cast<std::uint32_t>(prior),
            .cell = (age_class_[std::min(age, oldest)] * 16U + frequency_class(x)) * 4U + distance_class(key)};
  }

  std::uint32_t expected(const View& of) const noexcept {
    return quotient(table_[of.cell].sum + prior_weight * of.prior, table_[of.cell].weight + prior_weight);
  }

  /// a / b, of a quotient of 31 bits. Doubles are divided in half the time that integers take; the result is one off at
  /// most, which is made up for.
  static std::uint32_t quotient(std::uint64_t a, std::uint64_t b) noexcept {
    const double ratio =
        static_cast<double>(static_cast<std::int64_t>(a)) / static_cast<double>(static_cast<std::int64_t>(b));
    const auto near = static_cast<std::uint64_t>(static_cast<std::int64_t>(ratio));
    return static_cast<std::uint32_t>(near * b > a ? near - 1 : a - near * b >= b ? near + 1 : near);
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
      watched.outcome =
          entries_[watched.key].named ? one / 2 : expected(stayed ? views_[watched.slot] : view(watched.key)) / 2;
    }
    for (Cell& cell : table_) {
      cell.sum -= cell.sum / 128;
      cell.weight -= cell.weight / 128;
    }
    for (const Watched& watched : watched_) {
      table_[watched.cell].sum += watched.outcome * entry_weight;
      table_[watched.cell].weight += entry_weight;
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
        const float worth = static_cast<float>(expected(views_[slot])) +
                            static_cast<float>(views_[slot].frequency) / static_cast<float>(one);
        victims_.add({.value = worth, .last_use = entry.last_use, .key = keys_[slot]}, SlotId{slot});
      }
    }
    victims_.choose(count);
  }

  std::int64_t top_k_;
  History history_;
  std::array<std::uint64_t, 1024> decay_{};           ///< (31/32)^steps
  std::array<std::uint64_t, 1024> prior_{};           ///< by age, without the frequency's part
  std::array<std::uint8_t, oldest + 1> age_class_{};  ///< limits of the classes that are below an age
  std::array<Cell, cells> table_{};
  ZeroedArray<Entry> entries_;       ///< by key
  std::vector<std::uint32_t> keys_;  ///< by slot
  std::vector<View> views_;          ///< by slot
  std::vector<Watched> watched_;     ///< residents that the selection before did not name
  RankedVictims victims_;
  std::uint64_t now_ = 0;
  std::int64_t query_key_ = 0;  ///< of the query's own entry
};

}  // namespace dsasim
