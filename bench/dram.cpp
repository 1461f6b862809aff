// dsasim_dram CONFIG[,key=value...] STREAM...: reads streams of 64-byte lines through the memory model `hbm` and prints
// bandwidth, mean latency from injection to return, and how many million lines the model itself reads in a second of
// the processor's time: docs/memory-hbm.md. STREAM is one of
//   FILE              little-endian 64-bit byte addresses, as `zstd -d` makes them of those in tests/memory/data/
//   seq:N             N lines that follow each other from 0x10000000
//   TRACE.dsat[:B]    every selection of a trace as a gather of its own, of rows of B bytes (656), nothing cached

#include "dsasim/error.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/trace/reader.hpp"
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
constexpr std::uint64_t max_row_bytes = std::uint64_t{1} << 16U;

std::uint64_t number(std::string_view name, std::string_view text, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > most) {
    throw ConfigError(name, "expected a number from 1 to {} after ':', found \"{}\"", most, text);
  }
  return value;
}

std::vector<std::uint64_t> sequence(std::uint64_t count) {
  std::vector<std::uint64_t> addresses(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    addresses[i] = first_address + i * dram_line_bytes;
  }
  return addresses;
}

std::vector<std::uint64_t> read_addresses(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    throw SystemError(name, "cannot be opened");
  }
  std::vector<std::uint64_t> addresses;
  std::array<char, 8> bytes{};
  while (file.read(bytes.data(), bytes.size())) {
    std::uint64_t address = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      address = address << 8U | static_cast<unsigned char>(bytes.at(i));
    }
    addresses.push_back(address);
  }
  if (addresses.empty() || file.gcount() != 0) {
    throw ConfigError(name, "expected 64-bit addresses, found {} and {} bytes more", addresses.size(), file.gcount());
  }
  return addresses;
}

/// What several gathers took, one after the other.
struct Total {
  DramCounts counts;
  std::uint64_t gathers = 0;
  std::clock_t ticks = 0;

  void run(DramSystem& memory, const std::vector<std::uint64_t>& addresses) {
    const std::clock_t start = std::clock();
    const DramCounts gather = memory.run(addresses);
    ticks += std::clock() - start;
    const Clock before = counts.last_return;
    counts.add(gather);
    counts.last_return = before + gather.last_return;
    ++gathers;
  }
};

/// Rows lie one after the other: of each request, of each layer, the entries of its longest context.
Total run_selections(DramSystem& memory, const std::string& path, std::uint64_t row_bytes) {
  const TraceReader trace(path);
  const std::uint64_t entries = trace.longest_context_entries();
  Total total;
  std::vector<std::uint64_t> addresses;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
    while (cursor.next()) {
      for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
        const SelectionView selection = cursor.selection(layer);
        const std::uint64_t first_row = (std::uint64_t{request} * trace.layer_count() + layer) * entries;
        addresses.clear();
        for (std::size_t i = 0; i < selection.size; ++i) {
          const std::uint64_t row = first_address + (first_row + value(selection.ids[i])) * row_bytes;
          for (std::uint64_t line = row / dram_line_bytes; line * dram_line_bytes < row + row_bytes; ++line) {
            addresses.push_back(line * dram_line_bytes);
          }
        }
        total.run(memory, addresses);
      }
    }
  }
  return total;
}

Total run(DramSystem& memory, const std::string& name) {
  const std::size_t colon = name.rfind(':');
  const std::string path = name.substr(0, colon);
  const std::string_view after = colon == std::string::npos ? "" : std::string_view(name).substr(colon + 1);
  if (path.ends_with(".dsat")) {
    return run_selections(memory, path, after.empty() ? 656 : number(name, after, max_row_bytes));
  }
  Total total;
  total.run(memory, path == "seq" && !after.empty() ? sequence(number(name, after, max_lines)) : read_addresses(name));
  return total;
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

void print(const DramSystem& memory, std::string_view name, const Total& total) {
  const DramCounts& counts = total.counts;
  const double seconds = static_cast<double>(total.ticks) / CLOCKS_PER_SEC;
  fmt::print("{:<28} {:>9} {:>9} {:>7} {:>7.1f} {:>8.1f} {:>9} {:>9} {:>8} {:>6.2f}\n",
             name.substr(name.rfind('/') + 1), counts.lines, counts.last_return, total.gathers, memory.gb_s(counts),
             memory.mean_latency_ns(counts), counts.row_hits, counts.activates, counts.refreshes,
             static_cast<double>(counts.lines) / seconds / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr,
               "usage: dsasim_dram CONFIG[,key=value...] STREAM...   (STREAM: FILE, seq:N, TRACE.dsat[:BYTES])\n");
    return 2;
  }
  try {
    DramSystem memory(read_config(parse_memory(argv[1])));
    fmt::print("{}: peak {:.1f} GB/s, clock {:.3f} ns\n", argv[1], memory.config().peak_gb_s(), memory.ns(1));
    fmt::print("{:<28} {:>9} {:>9} {:>7} {:>7} {:>8} {:>9} {:>9} {:>8} {:>6}\n", "stream", "lines", "clocks", "gathers",
               "GB/s", "mean ns", "row hits", "activates", "refresh", "M/s");
    for (int i = 2; i < argc; ++i) {
      print(memory, argv[i], run(memory, argv[i]));
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "dsasim_dram: {}\n", error.what());
    return 2;
  }
}
