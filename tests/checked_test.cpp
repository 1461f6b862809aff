#include "dsasim/checked.hpp"

#include "catch.hpp"
#include "dsasim/replay/counters.hpp"
#include "refusal.hpp"
#include "trace/file_layout.hpp"

#include <cmath>
#include <limits>
#include <string>

using namespace dsasim;
using namespace dsasim::test;

namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("Sums and products of counts are right up to 2^64 - 1 and refused from 2^64 on", "[checked]") {
  CHECK(checked_sum(most - 1, 1, "x") == most);
  CHECK(refusal([] { checked_sum(most, 1, "fetched_rows"); }) == "fetched_rows: comes to 2^64 or more; expected less");
  CHECK(checked_product(std::uint64_t{1} << 32U, (std::uint64_t{1} << 32U) - 1, "x") == most - 0xFFFF'FFFF);
  CHECK(refusal([] { checked_product(std::uint64_t{1} << 32U, std::uint64_t{1} << 32U, "fetched_bytes"); }) ==
        "fetched_bytes: comes to 2^64 or more; expected less");
  __extension__ using Wide = unsigned __int128;
  CHECK(checked_narrow(Wide{most}, "x") == most);
  CHECK_FALSE(refusal([] { checked_narrow(Wide{most} + 1, "x"); }).empty());
}

TEST_CASE("Times are rounded half up, and refused where no integer holds them", "[checked]") {
  CHECK(rounded(0.49, "x") == 0);
  CHECK(rounded(0.5, "x") == 1);
  CHECK(rounded(1e15 + 0.5, "x") == 1'000'000'000'000'001);
  const double below = std::nextafter(std::ldexp(1.0, 64), 0);
  CHECK(rounded(below, "x") == most - 2047);
  const double too_much = GENERATE(std::ldexp(1.0, 64), 1.966e19, 1e300, std::numeric_limits<double>::infinity(),
                                   std::numeric_limits<double>::quiet_NaN());
  CHECK(refusal([=] { rounded(too_much, "gather_ns"); }) == "gather_ns: comes to 2^64 or more; expected less");
}

TEST_CASE("A sum of counters that does not fit names its field", "[checked]") {
  Counters::for_each_field([](auto name, auto, auto, auto field) {
    Counters sum;
    sum.*field = most - 5;
    Counters more;
    more.*field = 5;
    sum += more;
    CHECK(sum.*field == most);
    const auto add = [&] {
      sum += more;
      sum.exact_fetched_bytes();  // bytes are refused when they are read
    };
    CHECK(refusal(add) == std::string(name) + ": comes to 2^64 or more; expected less");
  });
}

// What a trace may hold at most, multiplied: what fits 64 bits needs no check, what does not has one.
TEST_CASE("The limits of the format keep counts of accesses, rows and steps below 2^64", "[checked]") {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide beyond = Wide{1} << 64U;
  CHECK(trace::max_streams <= Wide{1} << 32U);                           // a stream's number has 32 bits
  CHECK(Wide{trace::max_trace_ids} * TraceHeader::max_layers < beyond);  // fetched rows: groups are as large as that
  const Wide tokens = Wide{max_entry_ids} * TraceHeader::max_unit_tokens + trace::max_request_steps;
  CHECK(tokens + 1 < beyond);                                                                  // a context
  CHECK(Wide{std::numeric_limits<std::uint32_t>::max()} + trace::max_request_steps < beyond);  // a step of the batch
  CHECK(Wide{trace::max_request_steps} * max_entry_ids > beyond);  // so no such product may be taken unchecked

  // Bytes are beyond: a replay that is within the limits, refused where they are read.
  Counters counters;
  counters.accesses = (std::uint64_t{1} << 34U) - 1;
  counters.fetch(1, TraceHeader::max_entry_bytes);
  CHECK(counters.exact_fetched_bytes() == ((std::uint64_t{1} << 34U) - 1) << 30U);
  ++counters.accesses;
  counters.fetch(1, TraceHeader::max_entry_bytes);
  CHECK(counters.misses() == std::uint64_t{1} << 34U);
  CHECK(refusal([&] { counters.exact_fetched_bytes(); }) == "fetched_bytes: comes to 2^64 or more; expected less");
}
