#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/ranked_victims.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// decay^steps, by repeated multiplication, so that it is the same on every machine.
class DecayTable {
 public:
  explicit DecayTable(double decay) : power_(length) {
    double power = 1;
    for (double& entry : power_) {
      entry = std::exchange(power, power * decay);
    }
  }

  double after(std::uint64_t steps) const noexcept { return steps < length ? power_[steps] : 0; }

 private:
  static constexpr std::size_t length = 4096;  // 0.98^4096 is 1e-36
  std::vector<double> power_;
};

/// Evicts by two moving averages of whether an entry was selected: a fast one, f, which forgets a fifth at each step,
/// and a slow one, g, which forgets a fiftieth. The entry worth least, (f + 0.003)(g + 0.003) rounded to float32,
/// leaves first. Both are averages over steps, kept as of an entry's last use and decayed from there when they are
/// read.
///
/// An entry that an insert() brings in counts as used at the step of the selection before, without being selected.
class Ewma2 {
 public:
  static constexpr std::string_view name = "ewma2";
  static constexpr std::string_view sentence =
      "A selection at a time: evicts the smallest product of a fast and a slow moving average of being selected.";
  static constexpr std::string_view source = "made for this access pattern: docs/policies.md";
  static constexpr std::array parameters{History::parameter};
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = 25;
  static constexpr PolicyNeeds needs{.whole_selection = true};
  static constexpr double slot_bytes = 36;
  static constexpr double place_bytes = 24;

  explicit Ewma2(const PolicySetup& setup)
      : history_(setup.spec), entries_(setup.directory_entries), victims_(setup.capacity_entries) {
    keys_.reserve(setup.capacity_entries);
  }

  void on_begin(const StepSelection& selection) {
    now_ = selection.from.step;
    for (const EntryId id : selection.ids) {
      Entry& entry = entries_[selection.from.base + value(id)];
      use(entry);
      entry.fast += static_cast<float>(1 - fast_decay);
      entry.slow += static_cast<float>(1 - slow_decay);
      entry.named = true;
    }
    rank(selection.evictions);
    for (const EntryId id : selection.ids) {
      entries_[selection.from.base + value(id)].named = false;
    }
  }

  void on_hit(Access /*access*/) noexcept {}
  bool admits() noexcept { return true; }

  SlotId victim(std::uint32_t /*key*/) noexcept {
    if (victims_.empty()) {  // an insert
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
  static constexpr double fast_decay = 0.8;
  static constexpr double slow_decay = 0.98;
  static constexpr double floor = 0.003;

  struct Entry {
    float fast;  ///< at its last use
    float slow;
    std::uint64_t last_use;  ///< step
    bool resident;
    bool named;  ///< by the selection that is open
  };

  /// Moves an entry's averages on to now.
  void use(Entry& entry) noexcept {
    const std::uint64_t steps = now_ - entry.last_use;
    const bool kept = entry.resident || !history_.forgets(steps);
    entry.fast = kept ? static_cast<float>(entry.fast * fast_.after(steps)) : 0;
    entry.slow = kept ? static_cast<float>(entry.slow * slow_.after(steps)) : 0;
    entry.last_use = now_;
  }

  void rank(std::size_t count) {
    victims_.clear();
    for (std::uint32_t slot = 0; slot < keys_.size() && count > 0; ++slot) {
      const Entry& entry = entries_[keys_[slot]];
      if (!entry.named) {
        const std::uint64_t steps = now_ - entry.last_use;
        const double worth = (entry.fast * fast_.after(steps) + floor) * (entry.slow * slow_.after(steps) + floor);
        victims_.add({.value = static_cast<float>(worth), .last_use = entry.last_use, .key = keys_[slot]},
                     SlotId{slot});
      }
    }
    victims_.choose(count);
  }

  History history_;
  DecayTable fast_{fast_decay};
  DecayTable slow_{slow_decay};
  ZeroedArray<Entry> entries_;       ///< by key
  std::vector<std::uint32_t> keys_;  ///< by slot
  RankedVictims victims_;
  std::uint64_t now_ = 0;
};

}  // namespace dsasim
