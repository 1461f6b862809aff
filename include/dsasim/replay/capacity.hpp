#pragma once

#include "dsasim/trace/reader.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// A capacity as a user writes it: `4096` (entries), `20MB`, `20MiB`, `2x` (times the longest selection of the trace),
/// `0.2ctx` (of the largest prompt + steps of any request). Kept as an exact decimal: 0.2ctx of 35 is 7, always.
class Capacity {
 public:
  enum class Unit : std::uint8_t { entries, bytes, longest_selection, context };

  Capacity() = default;
  /// Throws ConfigError, naming the forms there are. `option` is where it was written, for this error and those to
  /// come.
  static Capacity parse(std::string_view text, std::string_view option = "`capacity`");
  /// Likewise, but entries and bytes are of all caches together, which share them evenly: see even_split(). `x` and
  /// `ctx` are of each cache, on average.
  static Capacity parse_budget(std::string_view text, std::string_view option = "`budget`");

  Unit unit() const noexcept { return unit_; }
  const std::string& text() const noexcept { return text_; }
  bool is_budget() const noexcept { return is_budget_; }
  bool is_zero() const noexcept { return mantissa_ == 0; }
  /// Of all caches together, and not of each.
  bool is_of_all() const noexcept { return is_budget_ && (unit_ == Unit::entries || unit_ == Unit::bytes); }

  /// In entries, rounded down. `bytes_an_entry` is what one entry costs (a group's: its bytes times its layers); for a
  /// capacity in bytes and 0 there, throws ConfigError.
  std::uint64_t entries(const TraceReader& trace, std::uint64_t bytes_an_entry) const;

 private:
  std::string text_ = "0";
  std::string option_ = "`capacity`";
  Unit unit_ = Unit::entries;
  bool is_budget_ = false;
  std::uint64_t mantissa_ = 0;  ///< value = mantissa_ * multiplier_ / divisor_
  std::uint64_t multiplier_ = 1;
  std::uint64_t divisor_ = 1;
};

/// Caches that get the same capacity as each other.
struct CacheShare {
  std::uint64_t entry_cost = 0;  ///< of one more entry in each of them, in the unit of the budget; at least 1
  std::uint64_t least = 0;       ///< entries
  std::uint64_t most = ~std::uint64_t{0};
};

/// A budget shared out evenly: by share, its capacity in entries. All get the largest number that fits the budget, as
/// far as their bounds let them; what is left buys one more entry for each share in turn, from the first on, that it is
/// enough for. The least of all must fit the budget.
std::vector<std::uint64_t> even_split(std::span<const CacheShare> shares, std::uint64_t budget);

}  // namespace dsasim
