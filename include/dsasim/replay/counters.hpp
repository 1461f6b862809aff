#pragma once

#include "dsasim/checked.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dsasim {

/// What a replay counted. Integers, exact; ratios are derived when they are printed.
struct Counters {
  std::uint64_t accesses = 0;
  std::uint64_t hits = 0;
  std::uint64_t compulsory_misses = 0;
  std::uint64_t evictions = 0;
  std::uint64_t fetched_rows = 0;
  std::uint64_t fetched_bytes = 0;  ///< 0 if those of an entry are unknown; beyond_bytes from there on
  std::uint64_t missed_pages = 0;
  std::uint64_t gather_ns = 0;
  std::uint64_t llc_sectors = 0;
  std::uint64_t llc_hit_sectors = 0;

  std::uint64_t misses() const noexcept { return accesses - hits; }
  std::uint64_t capacity_misses() const noexcept { return misses() - compulsory_misses; }
  /// Stands for itself and all above: who has bytes that no integer holds may still ask for misses.
  static constexpr std::uint64_t beyond_bytes = ~std::uint64_t{0};

  /// Counts the misses' rows, of which an entry has so many of so many bytes.
  void fetch(std::uint64_t rows_an_entry, std::uint64_t row_bytes) noexcept {
    fetched_rows = misses() * rows_an_entry;
    if (__builtin_mul_overflow(fetched_rows, row_bytes, &fetched_bytes)) {
      fetched_bytes = beyond_bytes;
    }
  }

  /// Throws Error for bytes that no integer holds.
  std::uint64_t exact_fetched_bytes() const {
    if (fetched_bytes == beyond_bytes) {
      refuse_overflow("fetched_bytes");
    }
    return fetched_bytes;
  }

  /// Calls f(name, unit, description, member) for each. The only list of the fields.
  template <class F>
  static constexpr void for_each_field(F&& f) {
    f("accesses", "entry", "selected entries replayed", &Counters::accesses);
    f("hits", "entry", "accesses whose entry was resident", &Counters::hits);
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
      } else if (__builtin_add_overflow(fetched_bytes, other.fetched_bytes, &fetched_bytes)) {
        fetched_bytes = beyond_bytes;
      }
    });
    return *this;
  }

  friend bool operator==(const Counters&, const Counters&) = default;
};

namespace detail {
constexpr std::size_t counter_fields() {
  std::size_t count = 0;
  Counters::for_each_field([&](auto...) { ++count; });
  return count;
}
static_assert(sizeof(Counters) == counter_fields() * sizeof(std::uint64_t),
              "a field of Counters is missing from for_each_field");
}  // namespace detail

}  // namespace dsasim
