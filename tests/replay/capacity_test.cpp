// Capacities as users write them: exact decimals, rounded down, and nothing else.

#include "dsasim/replay/capacity.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "import/captures.hpp"
#include "replay/small_traces.hpp"

#include <string>

using namespace dsasim;
using namespace dsasim::test;

namespace {

/// Longest selection 3, longest context 35: a prompt of 32 and 3 steps.
class Fixture {
 public:
  Fixture() : reader_(written()) {}
  std::uint64_t entries(const char* text, std::uint64_t bytes_an_entry = 0) const {
    return Capacity::parse(text).entries(reader_, bytes_an_entry);
  }

 private:
  std::filesystem::path written() const {
    write_trace(folder_ / "t.dsat", one_stream({{1}, {1, 2, 3}, {}}, 32));
    return folder_ / "t.dsat";
  }
  captures::TempDir folder_;
  TraceReader reader_;
};

std::string refusal(const std::string& text) {
  return "`capacity`: expected 4096 (entries), 20MB, 20MiB, 2x (times the longest selection) or 0.2ctx (of the "
         "context), found \"" +
         text + "\"";
}

}  // namespace

TEST_CASE("A capacity in entries is the number itself", "[capacity]") {
  const Fixture trace;
  CHECK(trace.entries("0") == 0);
  CHECK(trace.entries("1") == 1);
  CHECK(trace.entries("4096") == 4096);
  CHECK(trace.entries("18446744073709551615") == 18446744073709551615U);
}

TEST_CASE("A capacity in x is times the longest selection, rounded down", "[capacity]") {
  const Fixture trace;
  CHECK(trace.entries("2x") == 6);
  CHECK(trace.entries("0x") == 0);
  CHECK(trace.entries("1.5x") == 4);
  CHECK(trace.entries("0.1x") == 0);
  CHECK(trace.entries("0.333333333x") == 0);
  CHECK(trace.entries("0.333333334x") == 1);
  CHECK(trace.entries("1.0x") == 3);
}

TEST_CASE("A capacity in ctx is a part of the longest context, exactly", "[capacity]") {
  const Fixture trace;
  CHECK(trace.entries("0.2ctx") == 7);  // 6.999... in binary
  CHECK(trace.entries("0.6ctx") == 21);
  CHECK(trace.entries("0.7ctx") == 24);  // 24.5
  CHECK(trace.entries("0.02ctx") == 0);
  CHECK(trace.entries("1ctx") == 35);
  CHECK(trace.entries("1.4ctx") == 49);
}

TEST_CASE("The context of units of 4 tokens is in whole units", "[capacity]") {
  const captures::TempDir folder;
  PlainTrace trace = one_stream({{1}, {2}}, 33);
  trace.header.unit_tokens = 4;
  write_trace(folder / "t.dsat", trace);
  CHECK(Capacity::parse("1ctx").entries(TraceReader(folder / "t.dsat"), 0) == 8);  // 35 tokens
}

TEST_CASE("A capacity in bytes is divided by what an entry costs, rounded down", "[capacity]") {
  const Fixture trace;
  CHECK(trace.entries("20MB", 656) == 30'487);
  CHECK(trace.entries("20MiB", 656) == 31'968);
  CHECK(trace.entries("1kB", 3) == 333);
  CHECK(trace.entries("1KB", 3) == 333);
  CHECK(trace.entries("1KiB", 3) == 341);
  CHECK(trace.entries("1.5GiB", 1) == 1'610'612'736);
  CHECK(trace.entries("0.1GB", 1) == 100'000'000);
  CHECK(trace.entries("655B", 656) == 0);
  CHECK(trace.entries("656B", 656) == 1);
}

TEST_CASE("Large numbers do not overflow on the way", "[capacity]") {
  const Fixture trace;
  constexpr std::uint64_t gib = std::uint64_t{1} << 30U;
  CHECK(trace.entries("18446744073709551615GiB", gib) == 18446744073709551615U);
  CHECK(trace.entries("18446744073709551615GiB", 1) == 18446744073709551615U);  // as many as there are
  CHECK(trace.entries("18446744073709551615x") == 18446744073709551615U);
  // Nine places after the point and the bytes of a group of 57 layers.
  CHECK(trace.entries("20.000000001GB", 57 * gib) == 0);
  CHECK(trace.entries("122.500000001GB", 57 * gib) == 2);
}

TEST_CASE("A capacity in bytes needs the bytes of an entry", "[capacity]") {
  const Fixture trace;
  CHECK_THROWS_WITH(trace.entries("20MB"),
                    "`capacity`: 20MB needs the bytes of an entry, which the trace does not give; add `entry_bytes`");
}

TEST_CASE("What is no capacity is refused, naming the forms there are", "[capacity]") {
  for (const char* text : {"",
                           "-1",
                           "+1",
                           "1.5",
                           " 1",
                           "1 ",
                           "2 x",
                           "1e3",
                           "x",
                           "ctx",
                           "0x10",
                           ".5x",
                           "5.x",
                           ".",
                           "1.2.3x",
                           "2X",
                           "2xx",
                           "4096entries",
                           "20 MB",
                           "MB",
                           "0.2c",
                           "1,000",
                           "0.2 ctx",
                           "1.0123456789x",
                           "nan",
                           "infx",
                           "1_0",
                           "18446744073709551616",
                           "99999999999999999999GB"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(Capacity::parse(text), refusal(text));
  }
}

TEST_CASE("A capacity remembers how it was written", "[capacity]") {
  CHECK(Capacity::parse("0.20ctx").text() == "0.20ctx");
  CHECK(Capacity::parse("0.20ctx").unit() == Capacity::Unit::context);
  CHECK(Capacity::parse("20MiB").unit() == Capacity::Unit::bytes);
}

TEST_CASE("A budget is shared out to the last entry that it pays for", "[capacity]") {
  using Split = std::vector<std::uint64_t>;
  const auto split = [](const std::vector<CacheShare>& shares, std::uint64_t budget) {
    return even_split(shares, budget);
  };
  CHECK(split({{.entry_cost = 1}}, 7) == Split{7});
  CHECK(split({{.entry_cost = 1}, {.entry_cost = 1}, {.entry_cost = 1}}, 11) == Split{4, 4, 3});
  CHECK(split({{.entry_cost = 3}, {.entry_cost = 3}}, 10) == Split{2, 1});            // 1 is left
  CHECK(split({{.entry_cost = 5}, {.entry_cost = 2}}, 18) == Split{2, 3});            // 14, then 2 more; 2 are left
  CHECK(split({{.entry_cost = 1, .most = 2}, {.entry_cost = 1}}, 9) == Split{2, 7});  // what one may not have
  CHECK(split({{.entry_cost = 1, .least = 6}, {.entry_cost = 1}}, 9) == Split{6, 3});
  CHECK(split({{.entry_cost = 1, .most = 2}, {.entry_cost = 1, .most = 3}}, 9) == Split{2, 3});
  CHECK(split({{.entry_cost = 8}, {.entry_cost = 8}}, 7) == Split{0, 0});
  constexpr std::uint64_t most = ~std::uint64_t{0};
  CHECK(split({{.entry_cost = 1}}, most) == Split{most});
  CHECK(split({{.entry_cost = most}, {.entry_cost = most}, {.entry_cost = most}}, most) == Split{1, 0, 0});
}
