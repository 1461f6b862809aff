// cache_bytes() against what the allocator says that a cache took.

#include "dsasim/cache/policy_spec.hpp"

#include "catch.hpp"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <malloc.h>

using namespace dsasim;

namespace {

double allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<double>(info.uordblks) + static_cast<double>(info.hblkhd);
}

}  // namespace

TEST_CASE("A cache takes what cache_bytes() says, within a third", "[cache]") {
  const char* policy =
      GENERATE("lru", "fifo", "fifo,atomic=step", "random", "random,atomic=step", "clock", "lfu", "belady", "hisparse");
  const std::uint32_t slots = GENERATE(100'000U, 1'500'000U);
  constexpr std::uint32_t directory_entries = 3'000'000;
  CAPTURE(policy, slots);
  const PolicySpec spec = parse_policy(policy);
  const CacheBytes bytes = cache_bytes(spec, slots);
  const double expected = bytes.arrays * bytes.place_bytes * directory_entries + bytes.slot_bytes;
  const double before = allocated_bytes();
  const auto cache = make_cache(spec, slots, directory_entries, 0);
  const double found = allocated_bytes() - before;
  CHECK(found <= 1.01 * expected);
  CHECK(found >= 0.67 * expected);
}
#endif
