// The last-level cache of an H200 (60 MiB, 16 ways): line look-ups/s of scattered rows, and what a stream costs.

#include "fixture.hpp"

#include "dsasim/llc/llc.hpp"
#include "dsasim/xoshiro.hpp"
#include "llc/modulo.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dsasim::bench {
namespace {

constexpr std::uint64_t row_bytes = 656;
constexpr std::uint64_t set_aside_bytes = 39'321'600;

std::unique_ptr<Llc> h200(const std::string& policy, std::uint64_t set_aside = 0) {
  return make_llc(parse_llc("60MiB,policy=" + policy), 0, set_aside);
}

/// A gather's worth of rows, anywhere in a pool.
std::vector<std::uint64_t> scattered_rows(std::uint64_t pool_bytes, std::size_t count) {
  auto draws = Xoshiro256::numbered(1, 0);
  std::vector<std::uint64_t> addresses(count);
  for (std::uint64_t& address : addresses) {
    address = draws.below(static_cast<std::uint32_t>(pool_bytes / row_bytes)) * row_bytes;
  }
  return addresses;
}

/// In a pool of half the cache nearly all hit, in one of 40 times the cache nearly none.
void read_rows(benchmark::State& state, const std::string& policy, std::uint64_t pool_bytes, bool persisting) {
  const auto llc = h200(policy, persisting ? set_aside_bytes : 0);
  const auto addresses = scattered_rows(pool_bytes, 1U << 18U);
  std::vector<std::uint64_t> missed;
  LlcReads reads = llc->read_rows(addresses, row_bytes, persisting, missed);
  std::uint64_t lines = 0;
  for (auto _ : state) {
    missed.clear();
    reads = llc->read_rows(addresses, row_bytes, persisting, missed);
    lines = reads.lines;
  }
  count_items(state, lines);
  state.counters["hit_rows"] = static_cast<double>(reads.hit_rows) / static_cast<double>(reads.rows);
}

/// The weights of a layer, after which nothing else is left; each time others.
void read_stream(benchmark::State& state, const std::string& policy, std::uint64_t bytes, bool persisting) {
  const auto llc = h200(policy, persisting ? set_aside_bytes : 0);
  std::vector<std::uint64_t> missed;
  llc->read_rows(scattered_rows(24 << 20U, 1U << 16U), row_bytes, persisting, missed);
  std::uint64_t address = 1ULL << 40U;
  for (auto _ : state) {
    benchmark::DoNotOptimize(llc->read_stream(address, bytes));
    address += bytes;
  }
}

/// The same gigabytes again and again: lines that the last pass left are looked for.
void read_stream_again(benchmark::State& state, const std::string& policy, std::uint64_t bytes) {
  const auto llc = h200(policy);
  LlcReads reads;
  for (auto _ : state) {
    reads = llc->read_stream(1ULL << 40U, bytes);
  }
  state.counters["hit_lines"] = static_cast<double>(reads.hit_lines) / static_cast<double>(reads.lines);
}

/// A set's number by reciprocal, and by division: the divisor is not known when this is compiled.
template <class F>
void remainders(benchmark::State& state, F remainder) {
  const auto addresses = scattered_rows(1ULL << 36U, 1U << 12U);
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (const std::uint64_t address : addresses) {
      sum = remainder(address ^ (sum & 1U)) + sum;
    }
    benchmark::DoNotOptimize(sum);
  }
  count_items(state, addresses.size());
}

int register_llc() {
  constexpr std::uint64_t mib = 1U << 20U;
  for (const char* policy : {"lru", "tree-plru", "srrip", "random"}) {
    const std::string name = std::string("llc/") + policy;
    benchmark::RegisterBenchmark((name + "/rows/hits").c_str(), read_rows, policy, 30 * mib, false);
    benchmark::RegisterBenchmark((name + "/rows/half").c_str(), read_rows, policy, 120 * mib, false);
    benchmark::RegisterBenchmark((name + "/rows/misses").c_str(), read_rows, policy, 2400 * mib, false);
    benchmark::RegisterBenchmark((name + "/rows/persisting").c_str(), read_rows, policy, 60 * mib, true);
    benchmark::RegisterBenchmark((name + "/stream/16MiB").c_str(), read_stream, policy, 16 * mib, false)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark((name + "/stream/4GiB").c_str(), read_stream, policy, 4096 * mib, false)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark((name + "/stream/4GiB/set_aside").c_str(), read_stream, policy, 4096 * mib, true)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark((name + "/stream/4GiB/again").c_str(), read_stream_again, policy, 4096 * mib)
        ->Unit(benchmark::kMillisecond);
  }
  volatile std::uint32_t sets = 30'720;
  const std::uint32_t divisor = sets;
  benchmark::RegisterBenchmark("llc/set/reciprocal", remainders<Modulo>, Modulo(divisor));
  const auto divide = [divisor](std::uint64_t number) { return number % divisor; };
  benchmark::RegisterBenchmark("llc/set/division", remainders<decltype(divide)>, divide);
  return 0;
}
const int registered = register_llc();

}  // namespace
}  // namespace dsasim::bench
