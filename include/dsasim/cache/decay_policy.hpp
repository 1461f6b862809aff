#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/cache/ranked_victims.hpp"
#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
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

/// The hooks of a policy that evicts, a selection at a time, by sums that change when an entry is selected and decay at
/// each step. They are kept as float32 as of an entry's last use and decayed from there when they are read. `Sums` says
/// how many there are, by what each decays, what a selection makes of them (begin() with all of it, then select() for
/// each of its ids), what is remembered, and what an entry with these sums is worth; what is worth least leaves first.
///
/// An entry that an insert() brings in counts as used at the step of the selection before, without being selected.
template <class Sums>
class DecayPolicy {
 public:
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = 25;
  static constexpr PolicyNeeds needs{.whole_selection = true};
  static constexpr double slot_bytes = 36;
  static constexpr double place_bytes = 24;
  static_assert(Sums::count <= 2, "place_bytes is of one sum or two");

  explicit DecayPolicy(const PolicySetup& setup)
      : sums_(setup.spec),
        history_(Sums::history(setup.spec)),
        entries_(setup.directory_entries),
        victims_(setup.capacity_entries) {
    for (std::size_t i = 0; i < Sums::count; ++i) {
      decays_.emplace_back(sums_.decay[i]);
    }
    keys_.reserve(setup.capacity_entries);
  }

  void on_begin(const StepSelection& selection) {
    now_ = selection.from.step;
    sums_.begin(selection);
    for (std::size_t i = 0; i < selection.ids.size(); ++i) {
      Entry& entry = entries_[selection.from.base + value(selection.ids[i])];
      use(entry);
      sums_.select(i, entry.sums);
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
  struct Entry {
    std::array<float, Sums::count> sums;  ///< at its last use
    std::uint64_t last_use;               ///< step
    bool resident;
    bool named;  ///< by the selection that is open
  };

  /// Moves an entry's sums on to now.
  void use(Entry& entry) noexcept {
    const std::uint64_t steps = now_ - entry.last_use;
    const bool kept = entry.resident || !history_.forgets(steps);
    for (std::size_t i = 0; i < Sums::count; ++i) {
      entry.sums[i] = kept ? static_cast<float>(entry.sums[i] * decays_[i].after(steps)) : 0;
    }
    entry.last_use = now_;
  }

  void rank(std::size_t count) {
    victims_.clear();
    for (std::uint32_t slot = 0; slot < keys_.size() && count > 0; ++slot) {
      const Entry& entry = entries_[keys_[slot]];
      if (!entry.named) {
        std::array<double, Sums::count> sums{};
        for (std::size_t i = 0; i < Sums::count; ++i) {
          sums[i] = entry.sums[i] * decays_[i].after(now_ - entry.last_use);
        }
        victims_.add({.value = static_cast<float>(sums_.worth(sums)), .last_use = entry.last_use, .key = keys_[slot]},
                     SlotId{slot});
      }
    }
    victims_.choose(count);
  }

  Sums sums_;
  History history_;
  std::vector<DecayTable> decays_;
  ZeroedArray<Entry> entries_;       ///< by key
  std::vector<std::uint32_t> keys_;  ///< by slot
  RankedVictims victims_;
  std::uint64_t now_ = 0;
};

}  // namespace dsasim
