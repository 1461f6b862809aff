// The set-aside against what an H200 measured, and where it is too small.

#include "catch.hpp"
#include "dsasim/llc/llc.hpp"

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

using namespace dsasim;

namespace {

constexpr std::uint64_t mib = 1U << 20U;
constexpr std::uint64_t row_bytes = 656;

/// us_gather_net by region and stream in MiB, and mode; without the streams of 1,024 MiB, whose differences are noise.
std::map<std::tuple<std::uint64_t, std::uint64_t, std::string>, double> measured() {
  std::ifstream in("data/hardware/h200_set_aside.csv");
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::string>, double> times;
  std::string line;
  for (std::getline(in, line); std::getline(in, line);) {
    std::istringstream text(line);
    std::vector<std::string> fields;
    for (std::string field; std::getline(text, field, ',');) {
      fields.push_back(field);
    }
    if (fields.at(4) != "1024") {
      times[{std::stoull(fields.at(2)), std::stoull(fields.at(4)), fields.at(0)}] = std::stod(fields.at(7));
    }
  }
  return times;
}

/// A region is read, then a stream, and then the region again, from its other end: how many of its rows are left?
LlcReads left_after(bool set_aside, std::uint64_t region_bytes, std::uint64_t stream_bytes) {
  const auto llc = make_llc(parse_llc("60MiB"), 0, set_aside ? 75 * mib / 2 : 0);
  std::vector<std::uint64_t> rows(region_bytes / row_bytes);
  std::vector<std::uint64_t> missed;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    rows[row] = row * row_bytes;
  }
  llc->read_rows(rows, row_bytes, set_aside, missed);
  llc->read_stream(1ULL << 44U, stream_bytes);
  return llc->read_rows(std::vector(rows.rbegin(), rows.rend()), row_bytes, set_aside, missed);
}

}  // namespace

TEST_CASE("An H200 gathers faster what was set aside, and there all of it hits", "[llc]") {
  const auto times = measured();
  REQUIRE(times.size() == 75);  // 5 modes, 5 regions, 3 streams
  for (const auto& [key, plain_us] : times) {
    const auto& [region, stream, mode] = key;
    if (mode != "plain") {
      continue;
    }
    CAPTURE(region, stream);
    const LlcReads kept = left_after(true, region * mib, stream * mib);
    CHECK(kept.hit_rows == kept.rows);
    CHECK(times.at({region, stream, "persist_window"}) < plain_us);
    CHECK(times.at({region, stream, "evict_last"}) < plain_us);
    if (stream >= 64) {
      CHECK(left_after(false, region * mib, stream * mib).hit_rows == 0);
    }
  }
}

TEST_CASE("There is no order among marked lines: round and round, one too many in each set costs one in 5.5", "[llc]") {
  // Of 11 lines in 10 ways one is missing. When it is read, it takes the way of one of the others, which are read after
  // 1 to 10 reads: 5.5 from miss to miss. In LRU order, all would miss.
  constexpr std::uint64_t sets = 200;
  const auto llc = make_llc(parse_llc(std::to_string(sets * 16 * 128)), 0, sets * 10 * 128);
  std::vector<std::uint64_t> lines;
  for (std::uint64_t line = 0; line < 11 * sets; ++line) {
    lines.push_back(line * 128);
  }
  LlcReads reads;
  std::vector<std::uint64_t> missed;
  for (int pass = 0; pass < 60; ++pass) {
    llc->read_stream(1ULL << 40U, 1ULL << 30U);
    const LlcReads found = llc->read_rows(lines, 128, true, missed);
    reads += pass < 20 ? LlcReads{} : found;
  }
  CHECK(reads.hit_rows > reads.rows * 81 / 100);
  CHECK(reads.hit_rows < reads.rows * 83 / 100);
}

TEST_CASE("A row whose lines go one by one is seldom whole", "[llc]") {
  // Twice the share of each set: half of the lines are there, and a row has six.
  const auto llc = make_llc(parse_llc("6MiB"), 0, 15 * mib / 4);
  std::vector<std::uint64_t> missed;
  LlcReads reads;
  const std::uint64_t rows = 15 * mib / 2 / row_bytes;
  std::uint64_t row = 0;
  for (int gather = 0; gather < 60; ++gather) {
    std::vector<std::uint64_t> addresses;
    for (int i = 0; i < 1000; ++i) {
      row = (row + 7919) % rows;  // a step that shares no factor with the rows, and is no order of theirs
      addresses.push_back(row * row_bytes);
    }
    const LlcReads found = llc->read_rows(addresses, row_bytes, true, missed);
    reads += gather < 30 ? LlcReads{} : found;
  }
  CHECK(reads.hit_sectors < reads.sectors * 55 / 100);
  CHECK(reads.hit_sectors > reads.sectors * 15 / 100);
  CHECK(2 * reads.hit_rows * reads.sectors < reads.hit_sectors * reads.rows);
}
