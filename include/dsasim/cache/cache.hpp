#pragma once

#include "dsasim/trace/header.hpp"
#include "dsasim/types.hpp"

#include <cassert>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// The largest cache. Stamps, slots and places have 32 bits, and some need a few times the capacity of them.
inline constexpr std::uint64_t max_cache_entries = std::uint64_t{1} << 28U;

/// What one selection did to one cache. misses = accesses - hits.
struct SelectionOutcome {
  std::uint32_t accesses = 0;
  std::uint32_t hits = 0;
  std::uint32_t compulsory_misses = 0;
  std::uint32_t evictions = 0;
};

/// The distance, in accesses of the same cache, from an access to the next one of the same entry.
using NextUse = std::uint32_t;
inline constexpr NextUse never_again = 0xFFFFFFFF;

/// Where a selection comes from.
struct SelectionOrigin {
  std::uint32_t base = 0;                      ///< where the stream's part of the directory begins
  std::uint64_t step = 0;                      ///< of the batch
  std::uint64_t query = 0;                     ///< the id of the query's own entry, where ids are positions
  std::span<const std::uint16_t> scores = {};  ///< of the accesses, a raw float16 each; empty where the trace has none
};

/// A cache of KV entries being replayed, whatever its policy.
///
/// A cache serves one or more streams; an entry is found in its directory, a dense array, at `base` (where the stream's
/// part begins) plus the id. The virtual call is paid once per selection, some hundreds to thousands of accesses;
/// inside it the policy is a template parameter and its hooks are inlined (measured: within 2% of a static loop).
class Cache {
 public:
  virtual ~Cache() = default;

  /// Replays one selection in logged order, appends the ids that missed to `missed` in the order in which they missed.
  /// Ids are distinct and from.base + id lies in the directory: the trace reader has checked both.
  virtual SelectionOutcome select(const SelectionOrigin& from, std::span<const EntryId> ids,
                                  std::vector<EntryId>& missed) = 0;

  /// True if selections may come as sets: then select_set() is called instead of select(). A cache made for sets
  /// (CacheUse::sets) gets all of them so.
  virtual bool takes_sets() const { return false; }

  /// select() for a selection with its set; the base is a multiple of 64. The list is there if it is not ascending.
  virtual SelectionOutcome select_set(const SelectionOrigin& /*from*/, const SelectionView& /*selection*/,
                                      std::vector<EntryId>& /*missed*/) {
    assert(false);
    return {};
  }

  /// The stream at `base`, with sets of so many words, selects no more, from this turn of its on. Its entries stay.
  virtual void release(std::uint32_t /*base*/, std::uint32_t /*word_count*/) {}

  /// Puts an entry in as the newest, without an access: a preload, or the new token of --new-token allocate. Nothing is
  /// fetched. Returns the evictions (0 or 1). An entry that is already resident is left as it is.
  virtual std::uint32_t insert(std::uint32_t base, EntryId entry) = 0;

  /// The entries with ids [first, last) of the stream at `base` are gone, as if they had never been: what was rejected
  /// is not there any more, and another entry has its id when it comes again. No eviction. The next entries that come
  /// in take the slots that this leaves, the last of them first. Only of a policy of which can_forget() says so.
  virtual void forget(std::uint32_t /*base*/, std::uint32_t /*first*/, std::uint32_t /*last*/) { assert(false); }

  /// For policies that need the future (PolicyNeeds::future): the next uses of the entries of the following select(),
  /// one each, in order; or of the following insert(), one. They are copied. Other policies are never called.
  ///
  /// A cache numbers its accesses from 0; an insert is not an access. For access n of an entry that is next accessed at
  /// m, the distance is m - n, at least 1. For an insert between accesses n - 1 and n it is m - n as well, and may
  /// be 0: the entry is the very next one accessed. An insert of a resident entry is foreseen too, and ignored.
  virtual void foresee(std::span<const NextUse> next_uses) = 0;

  /// True if the entry is resident.
  virtual bool contains(std::uint32_t base, EntryId entry) const = 0;

  /// Walks all bookkeeping; false means a bug in the policy or the cache. For tests and the end of a replay.
  virtual bool invariant() const = 0;
};

}  // namespace dsasim
