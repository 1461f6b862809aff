// dsasim_dram CONFIG[,key=value...] STREAM...: reads streams of 64-byte lines through the memory model `hbm` and prints
// bandwidth, mean latency from injection to return, and how many
// million lines a second the model itself reads (of processor time). STREAM is a file of
// little-endian 64-bit byte addresses, as `zstd -d` makes it of those in tests/memory/data/, or `seq:N`: N lines that
// follow each other from 0x10000000.

#include "dsasim/error.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "memory/hbm/dram_system.hpp"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <exception>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace dsasim;

constexpr std::uint64_t first_address = 0x10000000;
constexpr std::uint64_t max_lines = std::uint64_t{1} << 28U;

std::vector<std::uint64_t> sequence(std::string_view name, std::string_view count_text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(count_text.data(), count_text.data() + count_text.size(), count);
  if (error != std::errc() || end != count_text.data() + count_text.size() || count == 0 || count > max_lines) {
    throw ConfigError(name, "expected seq:N, N from 1 to {}", max_lines);
  }
  std::vector<std::uint64_t> addresses(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    addresses[i] = first_address + i * dram_line_bytes;
  }
  return addresses;
}

std::vector<std::uint64_t> read_stream(const std::string& name) {
  if (name.starts_with("seq:")) {
    return sequence(name, std::string_view(name).substr(4));
  }
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    throw SystemError(name, "cannot be opened");
  }
  std::vector<std::uint64_t> addresses;
  std::array<unsigned char, 8> bytes{};
  while (file.read(reinterpret_cast<char*>(bytes.data()), bytes.size())) {
    std::uint64_t address = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      address = address << 8U | bytes[i];
    }
    addresses.push_back(address);
  }
  if (addresses.empty() || file.gcount() != 0) {
    throw ConfigError(name, "expected 64-bit addresses, found {} of them and {} more bytes", addresses.size(),
                      file.gcount());
  }
  return addresses;
}

DramConfig read_config(const MemorySpec& spec) {
  ConfigObject config = named_config("CONFIG", "memory", spec.name);
  for (const auto& [key, value] : spec.parameters) {
    config.set("CONFIG", key, value);
  }
  if (config.text("model") != "hbm") {
    throw ConfigError(config.where(), "/model: expected \"hbm\", found \"{}\"", config.text("model"));
  }
  const DramConfig dram = DramConfig::read(config);
  config.refuse_unread();
  return dram;
}

void run(DramSystem& memory, const std::string& name) {
  const std::vector<std::uint64_t> addresses = read_stream(name);
  const std::clock_t start = std::clock();
  const DramCounts counts = memory.run(addresses);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  fmt::print("{:<32} {:>9} {:>9} {:>8.1f} {:>8.1f} {:>8} {:>8} {:>7} {:>7.2f}\n", name, counts.lines,
             counts.last_return, memory.gb_s(counts), memory.mean_latency_ns(counts), counts.row_hits, counts.activates,
             counts.refreshes, static_cast<double>(counts.lines) / seconds / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: dsasim_dram CONFIG[,key=value...] STREAM...\n");
    return 2;
  }
  try {
    DramSystem memory(read_config(parse_memory(argv[1])));
    fmt::print("{}: peak {:.1f} GB/s\n", argv[1], memory.config().peak_gb_s());
    fmt::print("{:<32} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7}\n", "stream", "lines", "clocks", "GB/s",
               "mean ns", "row hits", "activat.", "refresh", "M/s");
    for (int i = 2; i < argc; ++i) {
      run(memory, argv[i]);
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "dsasim_dram: {}\n", error.what());
    return 2;
  }
}
