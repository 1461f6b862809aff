// dsasim_set_aside MEASURED.csv TRACE: what docs/llc.md says of the set-aside. A region of rows, gathered from again
// and again with streams in between, beside what an H200 measured; then the rows of a trace's layers, which share it.

#include "dsasim/error.hpp"
#include "dsasim/llc/llc.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/xoshiro.hpp"

#include <fmt/core.h>

#include <cstdint>
#include <exception>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace dsasim;

constexpr std::uint64_t mib = 1U << 20U;
constexpr std::uint64_t row_bytes = 656;
constexpr std::uint64_t most_set_aside = 75 * mib / 2;
constexpr std::uint64_t stream_address = 1ULL << 44U;

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// A region is read once, and then `rounds` times: other data, and 4,096 different rows of it. A stream reads on where
/// the last one ended, so that nothing of it hits.
LlcReads gathers(const std::string& policy, bool set_aside, std::uint64_t region_mib, std::uint64_t stream_mib) {
  constexpr int rounds = 40;
  constexpr std::uint32_t rows_a_gather = 4096;
  const auto llc = make_llc(parse_llc("60MiB,policy=" + policy), 0, set_aside ? most_set_aside : 0);
  std::vector<std::uint64_t> rows(region_mib * mib / row_bytes);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    rows[row] = row * row_bytes;
  }
  std::vector<std::uint64_t> missed;
  llc->read_rows(rows, row_bytes, set_aside, missed);
  auto draws = Xoshiro256::numbered(1, 0);
  std::uint64_t next_stream = stream_address;
  LlcReads reads;
  for (int round = 0; round < rounds; ++round) {
    llc->read_stream(next_stream, stream_mib * mib);
    next_stream += stream_mib * mib;
    for (std::uint32_t i = 0; i < rows_a_gather; ++i) {  // the first of a shuffle
      std::swap(rows[i], rows[i + draws.below(static_cast<std::uint32_t>(rows.size()) - i)]);
    }
    missed.clear();
    reads += llc->read_rows(std::span(rows).first(rows_a_gather), row_bytes, set_aside, missed);
  }
  return reads;
}

/// us_gather_net by (region, stream, mode).
std::map<std::string, double> measured(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    throw SystemError(path, "cannot be opened");
  }
  std::map<std::string, double> times;
  for (std::string line; std::getline(in, line);) {
    std::istringstream text(line);
    std::vector<std::string> fields;
    for (std::string field; std::getline(text, field, ',');) {
      fields.push_back(field);
    }
    if (fields.size() == 8 && fields[0] != "mode") {
      times[fields[2] + "/" + fields[4] + "/" + fields[0]] = std::stod(fields[7]);
    }
  }
  return times;
}

void print_regions(const std::string& path) {
  const auto times = measured(path);
  fmt::print("region stream   rows that hit, %                        measured gather, us\n");
  fmt::print("   MiB    MiB   lru  tree-plru  srrip  random  set-aside    plain  window  evict_last\n");
  for (const std::uint64_t region : {4U, 8U, 16U, 24U, 32U}) {
    for (const std::uint64_t stream : {16U, 64U, 256U}) {
      fmt::print("{:6} {:6}", region, stream);
      for (const char* policy : {"lru", "tree-plru", "srrip", "random"}) {
        const LlcReads plain = gathers(policy, false, region, stream);
        fmt::print(" {:8.2f}", percent(plain.hit_rows, plain.rows));
      }
      const LlcReads kept = gathers("lru", true, region, stream);
      fmt::print(" {:8.2f}", percent(kept.hit_rows, kept.rows));
      for (const char* mode : {"plain", "persist_window", "evict_last"}) {
        fmt::print(" {:8.3f}", times.at(fmt::format("{}/{}/{}", region, stream, mode)));
      }
      fmt::print("\n");
    }
  }
}

void print_larger_regions() {
  fmt::print(
      "\nregion MiB of random rows, 64 MiB between gathers: sectors and rows that hit in a set-aside of 37.5 MiB, %\n");
  for (const std::uint64_t region : {36U, 38U, 40U, 48U, 56U, 75U, 150U}) {
    const LlcReads reads = gathers("lru", true, region, 64);
    fmt::print("{:6} {:8.2f} {:8.2f}\n", region, percent(reads.hit_sectors, reads.sectors),
               percent(reads.hit_rows, reads.rows));
  }
}

constexpr std::uint64_t steps = 256;
constexpr std::uint64_t warmup_steps = 64;

/// The rows of all layers through one set-aside, 64 MiB of other data before each gather.
LlcReads shared_set_aside(const TraceReader& trace, const std::string& policy, std::uint64_t set_aside_bytes) {
  const auto llc = make_llc(parse_llc("60MiB,policy=" + policy), 0, set_aside_bytes);
  RequestCursor cursor(trace, 0, 0, steps);
  std::uint64_t next_stream = stream_address;
  LlcReads reads;
  std::vector<std::uint64_t> missed;
  for (std::uint64_t step = 0; cursor.next(); ++step) {
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      llc->read_stream(next_stream, 64 * mib);
      next_stream += 64 * mib;
      std::vector<std::uint64_t> addresses;
      const SelectionView selection = cursor.selection(layer);
      for (std::size_t i = 0; i < selection.size; ++i) {
        addresses.push_back((layer * trace.extent(0).id_limit + value(selection.ids[i])) * row_bytes);
      }
      missed.clear();
      const LlcReads found = llc->read_rows(addresses, row_bytes, true, missed);
      reads += step < warmup_steps ? LlcReads{} : found;
    }
  }
  return reads;
}

double reserved_hit_percent(const TraceReader& trace, std::uint64_t bytes) {
  ReplayConfig config;
  config.policy = parse_policy("lru");
  config.scope = Scope::shared;
  config.capacity = Capacity::parse(fmt::format("{}B", bytes));
  config.entry_bytes = row_bytes;
  config.steps = StepRange{0, steps};
  config.warmup_steps = warmup_steps;
  const Counters totals = replay(trace, config).totals;
  return percent(totals.accesses - totals.misses(), totals.accesses);
}

void print_trace(const std::string& path) {
  const TraceReader trace(path);
  fmt::print("\n{}: {} layers, top-k {}, steps {} to {}, rows of 656 bytes, 64 MiB before each gather\n", path,
             trace.layer_count(), trace.longest_selection(), warmup_steps, steps);
  fmt::print("   MiB   set-aside: sectors and rows that hit, %   reservation of as many bytes, token LRU: rows, %\n");
  for (const std::uint64_t ways : {0U, 1U, 2U, 3U, 4U, 6U, 8U, 10U}) {
    const std::uint64_t bytes = ways * 60 * mib / 16;
    const LlcReads reads = shared_set_aside(trace, "lru", bytes);
    fmt::print("{:6.2f} {:22.2f} {:8.2f} {:32.2f}\n", static_cast<double>(bytes) / static_cast<double>(mib),
               percent(reads.hit_sectors, reads.sectors), percent(reads.hit_rows, reads.rows),
               reserved_hit_percent(trace, bytes));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: dsasim_set_aside data/hardware/h200_set_aside.csv TRACE\n");
    return 2;
  }
  try {
    print_regions(argv[1]);
    print_larger_regions();
    print_trace(argv[2]);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "dsasim_set_aside: {}\n", error.what());
    return 2;
  }
}
