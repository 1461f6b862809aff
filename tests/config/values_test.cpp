#include "dsasim/config/values.hpp"

#include "catch.hpp"

#include <array>

using namespace dsasim;

TEST_CASE("numbers are read as people write them", "[config]") {
  CHECK(parse_number<std::uint32_t>("`n`", "010", 0, 100) == 10);
  CHECK(parse_number<std::uint32_t>("`n`", "1e6", 0, 2'000'000) == 1'000'000);
  CHECK(parse_number<std::uint64_t>("`n`", "1.5E3", 0, 2'000) == 1'500);
  CHECK(parse_number<std::uint64_t>("`n`", "1e0", 0, 2'000) == 1);
  CHECK(parse_number<double>("`n`", "1e-3", 0, 1) == 0.001);
  CHECK(parse_number<double>("`n`", "50%", 0, 1) == 0.5);
  CHECK(parse_number<double>("`n`", "100%", 0, 1) == 1);
}

TEST_CASE("what is no number in the range is refused", "[config]") {
  for (const char* text : {"", "e3", "1e", "1.e3", ".5e3", "1.5e0", "1.55e1", "1e20", "1e99999999999999999999", "1e-3",
                           "1e+3", "-1e3", "1e3e3", "1 e3", "50%", "2001", "2.1e3", "0x10"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(parse_number<std::uint64_t>("`n`", text, 0, 2'000),
                      "`n`: expected a number from 0 to 2000, found \"" + std::string(text) + "\"");
  }
  for (const char* text : {"%", "101%", "-1%", "5 %", "5%%", "1e6"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_number<double>("`n`", text, 0, 1), ConfigError);
  }
  CHECK_THROWS_AS(parse_number<double>("`rate`", "50%", 0, 1e9), ConfigError);  // of what?
}

TEST_CASE("units of bytes are read in capitals and small letters", "[config]") {
  CHECK(parse_bytes("`b`", "20mb", 1'000'000'000) == 20'000'000);
  CHECK(parse_bytes("`b`", "20MB", 1'000'000'000) == 20'000'000);
  CHECK(parse_bytes("`b`", "1.5gib", 2ULL << 30U) == 3ULL << 29U);
  CHECK_THROWS_AS(parse_bytes("`b`", "20m", 1'000'000'000), ConfigError);
}

TEST_CASE("a name that is nearly known is asked about", "[config]") {
  const std::array<std::string_view, 4> known = {"lru", "fifo", "hisparse", "w-tinylfu"};
  CHECK(did_you_mean("lur", known) == " (did you mean \"lru\"?)");  // exchanged
  CHECK(did_you_mean("LR", known) == " (did you mean \"lru\"?)");   // missing
  CHECK(did_you_mean("hisparsee", known) == " (did you mean \"hisparse\"?)");
  CHECK(did_you_mean("tinylfu", known) == " (did you mean \"w-tinylfu\"?)");
  CHECK(did_you_mean("", known).empty());
  CHECK(did_you_mean("none", known).empty());
  CHECK(did_you_mean("abc", known).empty());
  CHECK(did_you_mean(std::string(100'000, 'l'), known).empty());
  CHECK(unknown_name("fifi", known) == "\"fifi\" (did you mean \"fifo\"?); known: lru, fifo, hisparse, w-tinylfu");
  CHECK(is_name("LRU", "lru"));
  CHECK_FALSE(is_name("lru2", "lru"));
}
