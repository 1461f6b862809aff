#pragma once

#include "dsasim/trace/reader.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace dsasim {

/// A capacity as a user writes it: `4096` (entries), `20MB`, `20MiB`, `2x` (times the longest selection of the trace),
/// `0.2ctx` (of the largest prompt + steps of any request). Kept as an exact decimal: 0.2ctx of 35 is 7, always.
class Capacity {
 public:
  enum class Unit : std::uint8_t { entries, bytes, longest_selection, context };

  Capacity() = default;
  /// Throws ConfigError, naming the forms there are. `option` is where it was written, for this error and those to
  /// come.
  static Capacity parse(std::string_view text, std::string_view option = "--capacity");

  Unit unit() const noexcept { return unit_; }
  const std::string& text() const noexcept { return text_; }

  /// In entries, rounded down. `bytes_an_entry` is what one entry costs (a group's: its bytes times its layers); for a
  /// capacity in bytes and 0 there, throws ConfigError.
  std::uint64_t entries(const TraceReader& trace, std::uint64_t bytes_an_entry) const;

 private:
  std::string text_ = "0";
  std::string option_ = "--capacity";
  Unit unit_ = Unit::entries;
  std::uint64_t mantissa_ = 0;  ///< value = mantissa_ * multiplier_ / divisor_
  std::uint64_t multiplier_ = 1;
  std::uint64_t divisor_ = 1;
};

}  // namespace dsasim
