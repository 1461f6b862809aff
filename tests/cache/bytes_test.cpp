// cache_bytes() against what the process has more of with a cache.

#include "dsasim/cache/policy_spec.hpp"
#include "sanitized.hpp"

#include "cache/replay_log.hpp"
#include "catch.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#include <unistd.h>

#include <fstream>

using namespace dsasim;
using namespace dsasim::test;

namespace {

/// All that is mapped, less what the allocator has to give.
double allocated_bytes() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) - static_cast<double>(::mallinfo2().fordblks);
}

}  // namespace

TEST_CASE("A cache takes what cache_bytes() says, within a third", "[cache]") {
  if (sanitized) {
    return;  // its allocator says nothing of what it holds
  }
  const std::uint32_t slots = GENERATE(100'000U, 1'500'000U);
  constexpr std::uint32_t directory_entries = 3'000'000;
  for (const PolicySpec& spec : all_variants()) {
    CAPTURE(to_string(spec), slots);
    const CacheBytes bytes = cache_bytes(spec, slots);
    const double expected = bytes.arrays * bytes.place_bytes * directory_entries + bytes.slot_bytes;
    const double before = allocated_bytes();
    const auto cache = make_cache(spec, slots, directory_entries, 0);
    const double found = allocated_bytes() - before;
    CHECK(found <= 1.01 * expected);
    CHECK(found >= 0.67 * expected);
  }
}
#endif
