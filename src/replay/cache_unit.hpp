#pragma once

#include "dsasim/replay/replay.hpp"

#include <cstdint>
#include <vector>

namespace dsasim {

/// What the caches of a layer hold: entries, blocks of several, or the parts of one, which are its tokens. Units of a
/// stream are numbered as its entries are: position / entries of a block, or position * tokens of an entry and on.
struct CacheUnit {
  std::uint32_t entries = 1;  ///< of a unit
  std::uint32_t parts = 1;    ///< units of an entry
  std::uint32_t tokens = 1;   ///< that a unit stands for

  bool is_entry() const noexcept { return entries == 1 && parts == 1; }
  /// The unit that an entry begins in, or with.
  std::uint64_t first_of(std::uint64_t entry) const noexcept { return entry * parts / entries; }
  /// Units of the entries below a limit, the last perhaps not filled.
  std::uint64_t ids(std::uint64_t entry_limit) const noexcept {
    return (entry_limit * parts + (entries - 1)) / entries;
  }
  std::uint64_t slots(std::uint64_t capacity_entries) const noexcept {
    std::uint64_t units = 0;
    return __builtin_mul_overflow(capacity_entries / entries, std::uint64_t{parts}, &units) ? ~std::uint64_t{0} : units;
  }
};

/// Rows of the entries below a limit: fetches are of whole blocks, and of a token's rows.
inline std::uint64_t rows_below(const CacheUnit& unit, std::uint64_t entry_limit) noexcept {
  return unit.ids(entry_limit) * unit.entries;
}

/// By layer.
inline std::vector<CacheUnit> cache_units(const TraceHeader& header, const Granularity& granularity) {
  std::vector<CacheUnit> units;
  units.reserve(header.layers.size());
  for (std::uint32_t layer = 0; layer < header.layers.size(); ++layer) {
    const std::uint32_t tokens = header.unit_of(layer);
    units.push_back(granularity.tokens ? CacheUnit{.entries = 1, .parts = tokens, .tokens = 1}
                                       : CacheUnit{.entries = granularity.block_entries,
                                                   .parts = 1,
                                                   .tokens = tokens * granularity.block_entries});
  }
  return units;
}

/// At a capacity of 0 nothing is held and no block is fetched: entries are read one by one.
inline CacheUnit unit_at(const CacheUnit& unit, std::uint64_t capacity_entries) noexcept {
  return capacity_entries > 0 || unit.entries == 1
             ? unit
             : CacheUnit{.entries = 1, .parts = 1, .tokens = unit.tokens / unit.entries};
}

}  // namespace dsasim
