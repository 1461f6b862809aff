#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/recency_queue.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// LRU for selections as lists, in any order and at any capacity: a queue that each access joins again.
template <std::uint64_t stamp_limit = std::uint64_t{1} << 32U>
class LruCache final : public Cache {
 public:
  LruCache(std::uint32_t capacity_entries, std::uint32_t directory_entries)
      : queue_(capacity_entries, directory_entries) {}

  SelectionOutcome select(const SelectionOrigin& from, std::span<const EntryId> ids,
                          std::vector<EntryId>& missed) override {
    // One more than there can be: the loops write each id there and keep the place if it missed.
    const std::size_t before = missed.size();
    missed.resize(before + ids.size() + 1);
    EntryId* missed_end = missed.data() + before;
    SelectionOutcome outcome{.accesses = static_cast<std::uint32_t>(ids.size())};
    while (!ids.empty()) {
      const auto part = ids.first(std::min<std::size_t>(ids.size(), queue_.room()));
      missed_end = queue_.replay(from.base, part, missed_end, outcome,
                                 [this](std::uint32_t key) noexcept { queue_.enqueue(key); });
      ids = ids.subspan(part.size());
    }
    missed.resize(static_cast<std::size_t>(missed_end - missed.data()));
    outcome.hits = outcome.accesses - static_cast<std::uint32_t>(missed.size() - before);
    return outcome;
  }

  std::uint32_t insert(std::uint32_t base, EntryId entry) override { return queue_.insert(base + value(entry)); }

  void forget(std::uint32_t base, std::uint32_t first, std::uint32_t last) override {
    for (std::uint32_t id = first; id < last; ++id) {
      queue_.forget(base + id);
    }
  }

  void foresee(std::span<const NextUse> /*next_uses*/) override { assert(false); }

  bool contains(std::uint32_t base, EntryId entry) const override { return queue_.is_resident(base + value(entry)); }

  bool invariant() const override { return queue_.invariant(); }

 private:
  RecencyQueue<stamp_limit> queue_;
};

}  // namespace dsasim
