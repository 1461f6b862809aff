#pragma once

#include "dsasim/llc/llc.hpp"
#include "llc/line_geometry.hpp"

namespace dsasim {

/// What is left when a reservation takes everything: each read comes from memory.
class NoLlc final : public Llc {
 public:
  explicit NoLlc(const LlcSpec& spec) : geometry_(spec) {}

  LlcReads read_rows(std::span<const std::uint64_t> addresses, std::uint64_t row_bytes, bool /*persisting*/,
                     std::vector<std::uint64_t>& missed) override {
    LlcReads reads{.rows = addresses.size()};
    for (const std::uint64_t address : addresses) {
      reads += read_stream(address, row_bytes);
      const std::uint64_t end = address + row_bytes - 1;
      for (std::uint64_t line = geometry_.line_of(address); line <= geometry_.line_of(end); ++line) {
        geometry_.append_memory_lines(line, geometry_.sectors_in(line, address, end), missed);
      }
    }
    return reads;
  }

  LlcReads read_stream(std::uint64_t address, std::uint64_t bytes) override {
    if (bytes == 0) {
      return {};
    }
    const std::uint64_t end = address + bytes - 1;
    return {.sectors = geometry_.sector_count(address, end),
            .lines = geometry_.line_of(end) - geometry_.line_of(address) + 1};
  }

  void pass_stream(std::uint64_t /*address*/, std::uint64_t /*bytes*/) override {}

 private:
  LineGeometry geometry_;
};

}  // namespace dsasim
