#pragma once

#include "memory/hbm/dram_config.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Where a line is.
struct DramAddress {
  std::uint32_t channel = 0;  ///< of all stacks
  std::uint32_t bank = 0;     ///< of the channel: pseudo-channel, rank, bank group, bank, from the top bit
  std::uint32_t row = 0;
};

/// Takes an address apart. The mapping is a list of fields from the top bit, as "row bank_group bank channel column":
/// each has the bits that its count needs. A field may be divided: "column:3 channel column" gives the upper part its
/// bits, the part without a number has the others. Bits above the memory's size are ignored. Stacks take turns every
/// `stack_bytes`.
class AddressMap {
 public:
  /// Throws ConfigError(where, ...) for a field that is unknown, missing or of the wrong width.
  AddressMap(std::string_view where, std::string_view mapping, const DramShape& shape);

  DramAddress operator()(std::uint64_t byte_address) const noexcept;

 private:
  /// Bits of the line number that become bits of a number.
  struct Piece {
    std::uint32_t shift = 0;
    std::uint32_t to = 0;
    std::uint64_t mask = 0;
  };
  using Pieces = std::vector<Piece>;
  static std::uint32_t gather(const Pieces& pieces, std::uint64_t line) noexcept;

  DramShape shape_;
  Pieces channel_;
  Pieces bank_;
  Pieces row_;
};

}  // namespace dsasim
