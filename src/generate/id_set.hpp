#pragma once

#include "dsasim/types.hpp"

#include <cstdint>
#include <vector>

namespace dsasim::synthesis {

/// A set of ids as bits.
class IdSet {
 public:
  explicit IdSet(std::uint64_t ids) : words_((ids + 63) / 64) {}
  bool has(std::uint32_t id) const noexcept { return ((words_[id / 64] >> (id % 64)) & 1U) != 0; }
  void add(std::uint32_t id) noexcept { words_[id / 64] |= std::uint64_t{1} << (id % 64); }
  void remove(std::uint32_t id) noexcept { words_[id / 64] &= ~(std::uint64_t{1} << (id % 64)); }

  /// Its ids, ascending; there are `count`.
  void list(std::size_t count, std::vector<EntryId>& ids) const;

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace dsasim::synthesis
