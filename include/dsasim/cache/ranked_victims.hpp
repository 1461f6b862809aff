#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <vector>

namespace dsasim {

/// What an entry is worth: the smallest leaves first; of equal worth, the one used longer ago, then the smaller key.
struct Worth {
  float value;
  std::uint64_t last_use;  ///< step
  std::uint32_t key;

  friend bool operator<(const Worth& a, const Worth& b) noexcept {
    return std::tie(a.value, a.last_use, a.key) < std::tie(b.value, b.last_use, b.key);
  }
};

/// The entries that a selection evicts, chosen together: each resident that it does not name is looked at once.
class RankedVictims {
 public:
  explicit RankedVictims(std::uint32_t capacity_entries) { candidates_.reserve(capacity_entries); }

  void clear() noexcept { candidates_.clear(); }
  void add(const Worth& worth, SlotId slot) { candidates_.push_back({.worth = worth, .slot = slot}); }

  /// The next take() are the `count` entries worth least, in any order.
  void choose(std::size_t count) {
    const auto chosen = candidates_.begin() + static_cast<std::ptrdiff_t>(count);
    if (count < candidates_.size()) {
      std::nth_element(candidates_.begin(), chosen, candidates_.end(),
                       [](const Candidate& a, const Candidate& b) { return a.worth < b.worth; });
    }
    candidates_.erase(chosen, candidates_.end());
  }

  bool empty() const noexcept { return candidates_.empty(); }

  SlotId take() noexcept {
    const SlotId slot = candidates_.back().slot;
    candidates_.pop_back();
    return slot;
  }

 private:
  struct Candidate {
    Worth worth;
    SlotId slot;
  };
  std::vector<Candidate> candidates_;
};

/// The parameter `history` of policies that remember entries after these have left.
struct History {
  static constexpr PolicyParameter parameter{
      "history", "all", "all|residents|1..1000000",
      "what is remembered: every entry, those in the cache, or also those used in the last N steps"};

  explicit History(const PolicySpec& spec) {
    const std::string_view chosen = parameter_value(spec, parameter.key);
    steps_ = chosen == "all" ? ~std::uint64_t{0} : chosen == "residents" ? 0 : integer_value(spec, parameter.key);
  }

  static History all() noexcept { return {}; }

  /// Of an entry that comes in again, so many steps after its last use.
  bool forgets(std::uint64_t steps) const noexcept { return steps > steps_; }

 private:
  History() noexcept = default;

  std::uint64_t steps_ = ~std::uint64_t{0};
};

}  // namespace dsasim
