#pragma once

#include "dsasim/types.hpp"
#include "replay/first_sight.hpp"

#include <bit>
#include <cstdint>
#include <span>

namespace dsasim {

/// Counts the distinct pages among a selection's misses.
class PageCounter {
 public:
  /// Of entries below `id_limit`.
  PageCounter(std::uint32_t page_tokens, std::uint32_t unit_tokens, std::uint64_t id_limit)
      : page_tokens_(page_tokens),
        unit_tokens_(unit_tokens),
        shifts_(page_tokens % unit_tokens == 0 && std::has_single_bit(page_tokens / unit_tokens)),
        shift_(static_cast<unsigned>(std::countr_zero(page_tokens / unit_tokens))),
        pages_(id_limit == 0 ? 0 : page_of(id_limit - 1) + 1) {}

  std::uint64_t count(std::span<const EntryId> missed) {
    pages_.begin();
    std::uint64_t pages = 0;
    for (const EntryId entry : missed) {
      pages += pages_.is_first(page_of(value(entry))) ? 1U : 0U;
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
  FirstSight pages_;
};

}  // namespace dsasim
