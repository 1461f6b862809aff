#pragma once

#include "dsasim/checked.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dsasim {

/// What fetching ahead of a selection counted (docs/prefetch.md). All 0 where nothing is issued.
struct PrefetchCounts {
  std::uint64_t issued = 0;     ///< entries fetched before the selection
  std::uint64_t useful = 0;     ///< of them, those that the selection accessed and found
  std::uint64_t avoided = 0;    ///< misses of the policy that did not have to wait for a fetch: of a side area alone
  std::uint64_t evictions = 0;  ///< residents that made room
  std::uint64_t bytes = 0;      ///< of the rows fetched; see Counters::fetched_bytes

  std::uint64_t wasted() const noexcept { return issued - useful; }
  friend bool operator==(const PrefetchCounts&, const PrefetchCounts&) = default;
};

/// How long rows stay between their uses, in a memory that forgets (docs/retention.md). All 0 unless asked for.
struct RetentionCounts {
  std::uint64_t hits = 0;        ///< that the cache itself counted
  std::uint64_t idle_steps = 0;  ///< of these: steps since the entry was last used or put in, added up
  std::uint64_t retained = 0;    ///< of these hits, those within the retention time: no refresh is needed for them
  std::uint64_t refreshes = 0;   ///< of an entry, that the others need

  friend bool operator==(const RetentionCounts&, const RetentionCounts&) = default;
};

/// What a replay counted. Integers, exact; ratios are derived when they are printed.
struct Counters {
  std::uint64_t accesses = 0;
  std::uint64_t hits = 0;
  std::uint64_t cache_hits = 0;  ///< of them, those of accesses that the cache saw: see EffectiveConfig::hits_apart
  std::uint64_t compulsory_misses = 0;
  std::uint64_t evictions = 0;
  std::uint64_t fetched_rows = 0;
  std::uint64_t fetched_bytes = 0;  ///< 0 if those of an entry are unknown; beyond_bytes from there on
  std::uint64_t missed_pages = 0;
  std::uint64_t gather_ns = 0;
  std::uint64_t llc_sectors = 0;
  std::uint64_t llc_hit_sectors = 0;
  PrefetchCounts prefetch;
  RetentionCounts retention;

  std::uint64_t misses() const noexcept { return accesses - hits; }
  /// Those that wait for a fetch.
  std::uint64_t demand_misses() const noexcept { return misses() - prefetch.avoided; }
  std::uint64_t capacity_misses() const noexcept { return misses() - compulsory_misses; }
  /// Stands for itself and all above: who has bytes that no integer holds may still ask for misses.
  static constexpr std::uint64_t beyond_bytes = ~std::uint64_t{0};

  /// Counts the rows of misses and prefetches, of which an entry has so many of so many bytes.
  void fetch(std::uint64_t rows_an_entry, std::uint64_t row_bytes) noexcept {
    fetched_rows = demand_misses() * rows_an_entry;
    fetched_bytes = bytes_of(fetched_rows, row_bytes);
    prefetch.bytes = bytes_of(prefetch.issued * rows_an_entry, row_bytes);
  }

  /// Throws Error for bytes that no integer holds.
  std::uint64_t exact_fetched_bytes() const {
    if (fetched_bytes == beyond_bytes) {
      refuse_overflow("fetched_bytes");
    }
    return fetched_bytes;
  }
  std::uint64_t exact_prefetched_bytes() const {
    if (prefetch.bytes == beyond_bytes) {
      refuse_overflow("prefetched_bytes");
    }
    return prefetch.bytes;
  }

  /// Calls f(name, unit, description, member) for each. The only list of the fields.
  template <class F>
  static constexpr void for_each_field(F&& f) {
    f("accesses", "entry", "selected entries replayed", &Counters::accesses);
    f("hits", "entry", "accesses whose entry was resident", &Counters::hits);
    f("cache_hits", "entry", "hits that the cache itself counted", &Counters::cache_hits);
    f("compulsory_misses", "entry", "misses on entries never before in that cache", &Counters::compulsory_misses);
    f("evictions", "entry", "residents displaced by a miss or an allocation", &Counters::evictions);
    f("fetched_rows", "row", "rows fetched: misses times the layers of their group", &Counters::fetched_rows);
    f("fetched_bytes", "byte", "their bytes", &Counters::fetched_bytes);
    f("missed_pages", "page", "distinct pages among the misses of each selection", &Counters::missed_pages);
    f("gather_ns", "ns", "time of the gathers, by the memory model", &Counters::gather_ns);
    f("llc_sectors", "sector", "sectors of missed rows, looked for in the ordinary part of the last-level cache",
      &Counters::llc_sectors);
    f("llc_hit_sectors", "sector", "those that it held", &Counters::llc_hit_sectors);
  }

  /// Throws Error, naming the field, for a sum of 2^64 or more, unless it is of fetched_bytes.
  Counters& operator+=(const Counters& other) {
    for_each_field([&](auto name, auto, auto, auto field) {
      if (field != &Counters::fetched_bytes) {
        this->*field = checked_sum(this->*field, other.*field, name);
      } else {
        fetched_bytes = sum_of_bytes(fetched_bytes, other.fetched_bytes);
      }
    });
    if (other.retention.hits != 0) {
      add(other.retention);
    }
    if (other.prefetch.issued != 0) {  // most replays fetch nothing ahead
      add(other.prefetch);
    }
    return *this;
  }

  friend bool operator==(const Counters&, const Counters&) = default;

 private:
  static std::uint64_t bytes_of(std::uint64_t rows, std::uint64_t row_bytes) noexcept {
    std::uint64_t bytes = 0;
    return __builtin_mul_overflow(rows, row_bytes, &bytes) ? beyond_bytes : bytes;
  }
  static std::uint64_t sum_of_bytes(std::uint64_t a, std::uint64_t b) noexcept {
    std::uint64_t bytes = 0;
    return __builtin_add_overflow(a, b, &bytes) ? beyond_bytes : bytes;
  }
  void add(const RetentionCounts& more) {
    retention.hits += more.hits;  // no more than accesses, like those retained
    retention.idle_steps = checked_sum(retention.idle_steps, more.idle_steps, "idle_steps");
    retention.retained += more.retained;
    retention.refreshes = checked_sum(retention.refreshes, more.refreshes, "refreshes");
  }
  void add(const PrefetchCounts& more) {
    prefetch.issued = checked_sum(prefetch.issued, more.issued, "prefetched");
    prefetch.useful += more.useful;  // no more than are issued, like the next
    prefetch.avoided += more.avoided;
    prefetch.evictions += more.evictions;
    prefetch.bytes = sum_of_bytes(prefetch.bytes, more.bytes);
  }
};

namespace detail {
constexpr std::size_t counter_fields() {
  std::size_t count = 0;
  Counters::for_each_field([&](auto...) { ++count; });
  return count;
}
static_assert(sizeof(Counters) ==
                  counter_fields() * sizeof(std::uint64_t) + sizeof(PrefetchCounts) + sizeof(RetentionCounts),
              "a field of Counters is missing from for_each_field");
}  // namespace detail

}  // namespace dsasim
