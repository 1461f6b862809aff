#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/recency_queue.hpp"
#include "dsasim/cache/set_change.hpp"
#include "dsasim/zeroed_array.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// LRU for selections as sets, in a cache with room for a selection more than its streams select in a step. Counts what
/// LruCache counts, for a third of its look-ups.
///
/// An entry selected at two steps running is a hit the second time: between its two uses each of the n streams selects
/// once, and its own twice at most, so that no more than n + 1 selections' entries can have come after it. It need not
/// be looked up, nor moved in the queue, while it stays selected. So a stream's current selection is *outside* the
/// queue, newer than all that is in it; an entry joins the queue when it departs, one step after its last use. Streams
/// take their turns in the same order at every step, hence entries still join in the order of their last uses; within a
/// selection, in the order of its accesses. On k512-req_0 three of ten accesses arrive, and as many depart.
template <std::uint64_t stamp_limit = std::uint64_t{1} << 32U>
class LruSetCache final : public Cache {
 public:
  /// True if the cache is large enough for `streams` streams.
  static bool fits(std::uint64_t capacity_entries, std::uint64_t streams, std::uint64_t longest_selection) noexcept {
    return capacity_entries >= (streams + 1) * longest_selection;
  }

  /// No stream ever selects more than `longest_selection` entries at a step. See fits().
  LruSetCache(std::uint32_t capacity_entries, std::uint32_t directory_entries, std::uint32_t longest_selection)
      : longest_selection_(longest_selection),
        exceeds_first_caches_(directory_entries > first_cache_entries),
        queue_(capacity_entries, directory_entries),
        selected_((std::size_t{directory_entries} + 63) / 64),
        arrived_(longest_selection + change_slack),
        departed_(longest_selection + change_slack),
        in_order_(longest_selection + change_slack) {}

  bool takes_sets() const override { return true; }

  SelectionOutcome select_set(const SelectionOrigin& from, const SelectionView& selection,
                              std::vector<EntryId>& missed) override {
    const SetChange change = take_change(from.base, selection);
    if (exceeds_first_caches_) {
      fetch(queue_.stamps() + from.base, std::span<const EntryId>(arrived_).first(change.arrived));
      fetch(queue_.stamps() + from.base, std::span<const EntryId>(departed_).first(change.departed));
    }
    const std::size_t before = missed.size();
    missed.resize(before + change.arrived + 1);
    EntryId* missed_end = missed.data() + before;
    SelectionOutcome outcome{.accesses = selection.size};
    missed_end = queue_.replay(from.base, std::span<const EntryId>(arrived_).first(change.arrived), missed_end, outcome,
                               [this](std::uint32_t key) noexcept { queue_.stamps()[key] = Queue::outside; });
    queue_.make_room(change.departed);
    for (const EntryId id : std::span(departed_).first(change.departed)) {
      queue_.enqueue(from.base + value(id));
    }
    missed.resize(static_cast<std::size_t>(missed_end - missed.data()));
    outcome.hits = outcome.accesses - static_cast<std::uint32_t>(missed.size() - before);
    return outcome;
  }

  SelectionOutcome select(const SelectionOrigin& /*from*/, std::span<const EntryId> /*ids*/,
                          std::vector<EntryId>& /*missed*/) override {
    assert(false);
    return {};
  }

  void release(std::uint32_t base, std::uint32_t word_count) override {
    const std::vector<std::uint64_t> nothing(word_count);
    std::vector<EntryId> missed;
    select_set({.base = base}, {.words = nothing.data(), .word_count = word_count}, missed);
  }

  /// A preload: before the first selection.
  std::uint32_t insert(std::uint32_t base, EntryId entry) override { return queue_.insert(base + value(entry)); }

  void foresee(std::span<const NextUse> /*next_uses*/) override { assert(false); }

  bool contains(std::uint32_t base, EntryId entry) const override { return queue_.is_resident(base + value(entry)); }

  bool invariant() const override { return queue_.invariant(); }

 private:
  using Queue = RecencyQueue<stamp_limit>;

  /// Entries depart in the order of their last uses, which has to be kept where it is not ascending.
  struct Stream {
    std::uint32_t base;
    std::vector<EntryId> logged;
  };

  /// Asks for the stamps of a selection's entries before they are used: look-ups overlap 32 at once anyway, but what
  /// departs is only written, and would wait for its lines one by one. Inlined early, because GCC takes a function that
  /// only prefetches for one without an effect, and leaves it out.
  [[gnu::always_inline]] static inline void fetch(const std::uint32_t* stamps, std::span<const EntryId> ids) noexcept {
    for (const EntryId id : ids) {
      __builtin_prefetch(stamps + value(id), 1);
    }
  }

  /// Lists what arrives and departs, in the order of the accesses, in arrived_ and departed_, and moves selected_ on.
  SetChange take_change(std::uint32_t base, const SelectionView& selection) {
    assert(base % 64 == 0 && selection.size <= longest_selection_);
    const std::span<const std::uint64_t> words(selection.words, selection.word_count);
    const auto kept = std::span<std::uint64_t>(selected_).subspan(base / 64, words.size());
    std::vector<EntryId>& logged = logged_order(base);
    if (selection.ascending && logged.empty()) {
      return change_set(kept, words, arrived_.data(), departed_.data());
    }
    const std::span<const EntryId> ids(selection.ids, selection.ascending ? 0 : selection.size);
    const std::size_t arrived = list_absent(ids, kept, in_order_.data());
    const SetChange change = change_set(kept, words, arrived_.data(), departed_.data());
    if (!selection.ascending) {
      std::copy_n(in_order_.data(), arrived, arrived_.data());
    }
    if (!logged.empty()) {
      list_absent(logged, words, departed_.data());
    }
    logged.assign(ids.begin(), ids.end());
    return change;
  }

  /// Writes those of the ids that are not in the set.
  static std::size_t list_absent(std::span<const EntryId> ids, std::span<const std::uint64_t> set,
                                 EntryId* absent) noexcept {
    std::size_t count = 0;
    for (const EntryId id : ids) {
      absent[count] = id;
      count += (set[value(id) / 64] >> (value(id) % 64) & 1U) ^ 1U;
    }
    return count;
  }

  /// The stream's last selection as it was logged; empty if that was in ascending order.
  std::vector<EntryId>& logged_order(std::uint32_t base) {
    auto at = std::lower_bound(streams_.begin(), streams_.end(), base,
                               [](const Stream& stream, std::uint32_t wanted) { return stream.base < wanted; });
    if (at == streams_.end() || at->base != base) {
      at = streams_.insert(at, {.base = base, .logged = {}});
    }
    return at->logged;
  }

  static constexpr std::uint32_t first_cache_entries = std::uint32_t{1} << 14U;  ///< stamps of 64 KB

  std::uint32_t longest_selection_;
  bool exceeds_first_caches_;
  Queue queue_;
  ZeroedArray<std::uint64_t> selected_;  ///< by key, a bit: in its stream's last selection, and outside the queue
  std::vector<Stream> streams_;          ///< by base
  std::vector<EntryId> arrived_, departed_, in_order_;
};

}  // namespace dsasim
