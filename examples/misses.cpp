// How often hot buffers of one to four times the top-k miss, and what that costs a link of 45 GB/s.
//
//   c++ -std=c++20 -O2 misses.cpp $(pkg-config --cflags --libs dsasim) -o misses && ./misses traces/k512-req_0.dsat

#include "dsasim/error.hpp"
#include "dsasim/replay/replay.hpp"

#include <fmt/core.h>

int main(int argc, char** argv) try {
  if (argc != 2) {
    fmt::print(stderr, "usage: {} TRACE.dsat\n", argv[0]);
    return 2;
  }
  const dsasim::TraceReader trace(argv[1]);
  dsasim::ReplayConfig config;
  config.policy = dsasim::parse_policy("hisparse");
  config.entry_bytes = 656;  // of DeepSeek-V3.2 in FP8
  for (const char* capacity : {"1x", "2x", "4x"}) {
    config.capacity = dsasim::Capacity::parse(capacity);
    const dsasim::Counters totals = dsasim::replay(trace, config).totals;
    const double ratio = static_cast<double>(totals.misses()) / static_cast<double>(totals.accesses);
    const double link_us = static_cast<double>(totals.misses() * 656) / 45e9 * 1e6;
    fmt::print("{}: {} of {} accesses miss ({:.2f}%), {:.0f} us of the link\n", capacity, totals.misses(),
               totals.accesses, 100 * ratio, link_us);
  }
} catch (const dsasim::Error& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 2;
}
