// --llc: what it takes, how it is written back, and what is said of what it does not take.

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/llc/llc.hpp"

#include <string>

using namespace dsasim;

TEST_CASE("An LLC is its bytes, and what differs from the usual", "[llc]") {
  CHECK(parse_llc("60MiB") == LlcSpec{.bytes = 62'914'560});
  CHECK(parse_llc("62914560") == LlcSpec{.bytes = 62'914'560});
  CHECK(parse_llc("60MB") == LlcSpec{.bytes = 60'000'000});
  CHECK(parse_llc("0") == LlcSpec{});
  CHECK(parse_llc("1GiB,sector_bytes=64,line_bytes=64,ways=8,policy=tree-plru,seed=18446744073709551615") ==
        LlcSpec{.bytes = 1U << 30U,
                .ways = 8,
                .line_bytes = 64,
                .sector_bytes = 64,
                .policy = LlcPolicy::tree_plru,
                .seed = 18446744073709551615U});
}

TEST_CASE("An LLC is written with everything spelled out, as it can be read again", "[llc]") {
  CHECK(to_string(parse_llc("60MiB")) == "62914560,ways=16,line_bytes=128,sector_bytes=32,policy=lru,seed=1");
  for (const char* policy : {"lru", "tree-plru", "srrip", "random"}) {
    const LlcSpec spec = parse_llc(std::string("1MB,ways=2,seed=9,policy=") + policy);
    CHECK(parse_llc(to_string(spec)) == spec);
  }
}

TEST_CASE("What is no LLC is refused, saying what was expected", "[llc]") {
  const auto refusal = [](const std::string& text) -> std::string {
    try {
      parse_llc(text);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const char* text : {"", "x", "-1", "+1", " 1", "1.5", "1.5B", ".5MiB", "1.MiB", "1.5.5MiB", "1.0000000001MiB",
                           "60 MiB", "MiB", "1e6", "99999999999999999999", "60MiBB", "ways=4"}) {
    CAPTURE(text);
    CHECK(refusal(text) == "`llc`: expected bytes like 62914560, 60MB or 37.5MiB, at most 4294967296, found \"" +
                               std::string(text) + "\"");
  }
  CHECK(refusal("5GiB") == "`llc`: expected bytes like 62914560, 60MB or 37.5MiB, at most 4294967296, found \"5GiB\"");
  CHECK(refusal("18446744073709551615GB") ==
        "`llc`: expected bytes like 62914560, 60MB or 37.5MiB, at most 4294967296, found \"18446744073709551615GB\"");
  CHECK(refusal("4294967297") ==
        "`llc`: expected bytes like 62914560, 60MB or 37.5MiB, at most 4294967296, found \"4294967297\"");
  CHECK(refusal("1MiB,") == "`llc`: 1MiB: expected key=value, found \"\"");
  CHECK(refusal("1MiB,8") == "`llc`: 1MiB: expected key=value, found \"8\"");
  CHECK(refusal("1MiB,=8") == "`llc`: 1MiB: expected key=value, found \"=8\"");
  CHECK(refusal("1MiB,way=8") ==
        "`llc`: `llc` has no parameter \"way\" (did you mean \"ways\"?); known: ways, line_bytes, sector_bytes, "
        "policy, seed");
  CHECK(refusal("1MiB,ways=8,ways=8") == "`llc`: 1MiB: ways: given twice");
  CHECK(refusal("1MiB,ways=0") == "`llc`: ways: expected 1 to 32, found 0");
  CHECK(refusal("1MiB,ways=33") == "`llc`: ways: expected 1 to 32, found 33");
  CHECK(refusal("1MiB,ways=12,policy=tree-plru") == "`llc`: ways: expected a power of two for tree-plru, found 12");
  CHECK(refusal("1MiB,policy=plru") == "`llc`: policy: expected lru, tree-plru, srrip or random, found \"plru\"");
  CHECK(refusal("1MiB,line_bytes=96") == "`llc`: line_bytes: expected a power of two from 64 to 1024, found 96");
  CHECK(refusal("1MiB,line_bytes=32") == "`llc`: line_bytes: expected a power of two from 64 to 1024, found 32");
  CHECK(refusal("1MiB,sector_bytes=256") == "`llc`: sector_bytes: expected a power of two from 16 to 128, found 256");
  CHECK(refusal("1MiB,sector_bytes=8") == "`llc`: sector_bytes: expected a power of two from 16 to 128, found 8");
  CHECK(refusal("1MiB,sector_bytes=48") == "`llc`: sector_bytes: expected a power of two from 16 to 128, found 48");
  CHECK(refusal("1MiB,seed=-1") == "`llc`: /seed: expected an integer from 0 to 18446744073709551615, found -1");
}

TEST_CASE("Parts larger than the whole are refused", "[llc]") {
  const LlcSpec spec = parse_llc("1MiB");
  CHECK_THROWS_WITH(make_llc(spec, 1'048'577, 0), "`llc`: 1048577 bytes are to be reserved, of a cache of 1048576");
  CHECK_THROWS_WITH(make_llc(spec, 1'000'000, 48'577),
                    "`llc`: 48577 bytes are to be set aside, of the 48576 that no reservation takes");
  CHECK_THROWS_WITH(make_llc(parse_llc("1MiB,ways=1"), 0, 128),
                    "`llc`: ways: expected at least 2 for a set-aside, found 1");
  CHECK_THROWS_WITH(make_llc({.bytes = 1024, .ways = 64}, 0, 0), "`llc`: ways: expected 1 to 32, found 64");
  CHECK_NOTHROW(make_llc(spec, 1'048'576, 0));
}
