// Bandwidth and mean latency of DRAMsim3 (2021-04) and Ramulator 2.1 (2026-06), used as libraries, on the streams in
// tests/memory/data/: docs/memory-hbm.md. The models agree within 10%; here, within the tolerance of each row, so that
// a change of the model is noticed.

#include "catch.hpp"
#include "memory/dram_fixture.hpp"

#include <fmt/core.h>
#include <zstd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace dsasim::test {
namespace {

constexpr std::size_t most_bytes = 1U << 21U;

/// Little-endian 64-bit byte addresses.
std::vector<std::uint64_t> read_stream(const std::string& name) {
  std::ifstream file("tests/memory/data/" + name + ".u64.zst", std::ios::binary);
  const std::string packed((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::string bytes(most_bytes, '\0');
  const std::size_t size = ZSTD_decompress(bytes.data(), bytes.size(), packed.data(), packed.size());
  if (ZSTD_isError(size) != 0) {
    throw std::runtime_error(name + ": " + ZSTD_getErrorName(size));
  }
  std::vector<std::uint64_t> addresses(size / 8);
  for (std::size_t i = 0; i < addresses.size() * 8; ++i) {
    addresses[i / 8] |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (i % 8 * 8);
  }
  return addresses;
}

const std::vector<std::uint64_t>& stream(const std::string& name) {
  static std::map<std::string, std::vector<std::uint64_t>> streams;
  std::vector<std::uint64_t>& addresses = streams[name];
  if (addresses.empty() && name == "seq100k") {
    for (std::uint64_t i = 0; i < 100000; ++i) {
      addresses.push_back(0x10000000 + i * dram_line_bytes);
    }
  } else if (addresses.empty()) {
    addresses = read_stream(name);
  }
  return addresses;
}

struct Figure {
  std::string config;
  Settings settings;
  std::string stream;
  double gb_s = 0;  ///< 0: not measured
  double latency_ns = 0;
  double tolerance = 0;
};

const std::vector<Figure>& figures() {
  static const Settings serial = {{"injection", "serial"}};
  static const Settings deep = {{"queue_depth", "128"}};
  static const std::vector<Figure> all = {
      {"hbm2-dramsim3", {}, "seq100k", 237.6, 84.3, 0.01},      {"hbm2-dramsim3", {}, "rand100k", 61.6, 488.7, 0.01},
      {"hbm2-dramsim3", {}, "dsa200k", 200.4, 122.9, 0.01},     {"hbm2-dramsim3", serial, "seq100k", 0, 18.9, 0.01},
      {"hbm2-dramsim3", serial, "rand100k", 0, 38.2, 0.01},     {"hbm2-ramulator", {}, "seq100k", 127.1, 81.4, 0.03},
      {"hbm2-ramulator", {}, "rand100k", 110.0, 76.3, 0.03},    {"hbm2-ramulator", serial, "seq100k", 0, 23.9, 0.03},
      {"hbm2-ramulator", serial, "rand100k", 0, 41.2, 0.03},    {"hbm3-ramulator", {}, "seq100k", 348.9, 61.7, 0.03},
      {"hbm3-ramulator", {}, "rand100k", 265.7, 66.4, 0.03},    {"hbm3-ramulator", deep, "seq100k", 660.5, 110.7, 0.05},
      {"hbm3-ramulator", deep, "rand100k", 462.7, 111.3, 0.05}, {"hbm3-ramulator", serial, "seq100k", 0, 21.4, 0.03},
      {"hbm3-ramulator", serial, "rand100k", 0, 41.3, 0.03},
  };
  return all;
}

TEST_CASE("bandwidth and latency are those of DRAMsim3 and Ramulator", "[hbm][figures]") {
  REQUIRE(stream("rand100k").size() == 100000);
  REQUIRE(stream("dsa200k").size() == 200000);
  for (const Figure& figure : figures()) {
    DramSystem memory(dram_config(figure.config, figure.settings));
    const DramCounts counts = memory.run(stream(figure.stream));
    INFO(figure.config << " " << figure.stream << " "
                       << (figure.settings.empty() ? "" : figure.settings[0].first + "=" + figure.settings[0].second));
    CHECK(memory.mean_latency_ns(counts) == Approx(figure.latency_ns).epsilon(figure.tolerance));
    if (figure.gb_s > 0) {
      CHECK(memory.gb_s(counts) == Approx(figure.gb_s).epsilon(figure.tolerance));
    }
  }
}

}  // namespace
}  // namespace dsasim::test
