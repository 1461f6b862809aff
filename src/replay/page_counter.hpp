#pragma once

#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace dsasim {

/// Counts the distinct pages among a selection's misses: a stamp by page, so that nothing is cleared between
/// selections.
class PageCounter {
 public:
  /// Of entries below `id_limit`.
  PageCounter(std::uint32_t page_tokens, std::uint32_t unit_tokens, std::uint64_t id_limit)
      : page_tokens_(page_tokens),
        unit_tokens_(unit_tokens),
        shifts_(page_tokens % unit_tokens == 0 && std::has_single_bit(page_tokens / unit_tokens)),
        shift_(static_cast<unsigned>(std::countr_zero(page_tokens / unit_tokens))),
        stamps_(id_limit == 0 ? 0 : page_of(id_limit - 1) + 1) {}

  std::uint64_t count(std::span<const EntryId> missed) {
    if (++stamp_ == 0) {
      std::fill(stamps_.begin(), stamps_.end(), 0);
      stamp_ = 1;
    }
    std::uint64_t pages = 0;
    for (const EntryId entry : missed) {
      const std::uint64_t page = page_of(value(entry));
      pages += stamps_[page] != stamp_ ? 1U : 0U;
      stamps_[page] = stamp_;
    }
    return pages;
  }

 private:
  /// Pages of a power of two, as most are, take no division.
  std::uint64_t page_of(std::uint64_t entry) const noexcept {
    return shifts_ ? entry >> shift_ : entry * unit_tokens_ / page_tokens_;
  }

  std::uint64_t page_tokens_;
  std::uint64_t unit_tokens_;
  bool shifts_;
  unsigned shift_;
  std::uint32_t stamp_ = 0;
  ZeroedArray<std::uint32_t> stamps_;  ///< by page
};

}  // namespace dsasim
