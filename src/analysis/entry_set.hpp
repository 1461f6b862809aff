#pragma once

#include "dsasim/types.hpp"
#include "dsasim/zeroed_array.hpp"

#include <cstdint>
#include <span>

namespace dsasim {

/// A set of ids below a limit, a bit each. No operation branches on what the set holds.
class EntrySet {
 public:
  /// Empty, for ids below `id_limit` + 1: the neighbour of the largest id can be asked for too.
  void reset(std::uint64_t id_limit) { words_.reset(id_limit / 64 + 1); }
  static std::uint64_t bytes(std::uint64_t id_limit) noexcept { return id_limit / 8; }

  void insert(std::span<const EntryId> ids) noexcept {
    for (const EntryId id : ids) {
      words_[value(id) / 64] |= std::uint64_t{1} << (value(id) % 64);
    }
  }
  /// Removes everything, given the ids that it holds.
  void clear(std::span<const EntryId> ids) noexcept {
    for (const EntryId id : ids) {
      words_[value(id) / 64] = 0;
    }
  }

  /// 1 or 0. Ids may be `shift` further on, but not beyond the limit.
  std::uint32_t has(EntryId id, std::uint32_t shift = 0) const noexcept {
    const std::uint32_t at = value(id) + shift;
    return static_cast<std::uint32_t>(words_[at / 64] >> (at % 64)) & 1U;
  }
  /// How many of the ids, moved on by `shift`, it holds.
  std::uint32_t count(std::span<const EntryId> ids, std::uint32_t shift = 0) const noexcept {
    std::uint32_t held = 0;
    for (const EntryId id : ids) {
      held += has(id, shift);
    }
    return held;
  }

 private:
  ZeroedArray<std::uint64_t> words_;
};

}  // namespace dsasim
