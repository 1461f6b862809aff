#include "memory/hbm/address_map.hpp"

#include "dsasim/config/names.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <optional>

namespace dsasim {
namespace {

enum FieldName : std::uint8_t { row, rank, bank_group, bank, pseudo_channel, channel, column, field_names };

constexpr std::array<std::string_view, field_names> names = {"row",     "rank",  "bank_group", "bank", "pseudo_channel",
                                                             "channel", "column"};

std::uint32_t bits_for(std::uint64_t count) {
  return static_cast<std::uint32_t>(std::countr_zero(count));
}

std::array<std::uint32_t, field_names> widths(const DramShape& shape) {
  return {bits_for(shape.rows),          bits_for(shape.ranks),           bits_for(shape.bank_groups),
          bits_for(shape.banks),         bits_for(shape.pseudo_channels), bits_for(shape.channels),
          bits_for(shape.lines_of_row())};
}

struct Part {
  FieldName field = row;
  std::optional<std::uint32_t> bits;
};

Part parse_part(std::string_view where, std::string_view word) {
  const std::string_view name = word.substr(0, word.find(':'));
  const auto* found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw ConfigError(where, "unknown field {}", unknown_name(name, names));
  }
  Part part{static_cast<FieldName>(found - names.begin()), {}};
  if (name.size() < word.size()) {
    const auto bits = number_of<std::uint32_t>(word.substr(name.size() + 1));
    if (!bits || *bits == 0 || *bits > 32) {
      throw ConfigError(where, "expected 1 to 32 bits in \"{}\"", word);
    }
    part.bits = *bits;
  }
  return part;
}

std::vector<Part> parse(std::string_view where, std::string_view mapping) {
  std::vector<Part> parts;
  while (!mapping.empty()) {
    const std::string_view word = mapping.substr(0, mapping.find(' '));
    if (!word.empty()) {
      parts.push_back(parse_part(where, word));
    }
    mapping.remove_prefix(std::min(mapping.size(), word.size() + 1));
  }
  return parts;
}

/// Gives the one part of a field that has no number the bits that the others leave.
void share_bits(std::string_view where, std::vector<Part>& parts, FieldName field, std::uint32_t width) {
  std::uint32_t given = 0;
  Part* rest = nullptr;
  bool present = false;
  for (Part& part : parts) {
    if (part.field != field) {
      continue;
    }
    present = true;
    if (!part.bits && rest != nullptr) {
      throw ConfigError(where, "expected a number of bits with all parts of \"{}\" but one", names.at(field));
    }
    rest = part.bits ? rest : &part;
    given += part.bits.value_or(0);
  }
  if (!present && width > 0) {
    throw ConfigError(where, "expected the field \"{}\", of {} bits", names.at(field), width);
  }
  if (given > width || (rest == nullptr && given != width)) {
    throw ConfigError(where, "expected {} bits of \"{}\", found {}", width, names.at(field), given);
  }
  if (rest != nullptr) {
    rest->bits = width - given;
  }
}

}  // namespace

AddressMap::AddressMap(std::string_view where, std::string_view mapping, const DramShape& shape) : shape_(shape) {
  std::vector<Part> parts = parse(where, mapping);
  const auto width = widths(shape);
  for (std::uint8_t field = 0; field < field_names; ++field) {
    share_bits(where, parts, static_cast<FieldName>(field), width.at(field));
  }
  // A bank's number in its channel, from the bottom: bank, bank group, rank, pseudo-channel.
  std::array<std::uint32_t, field_names> base{};
  base[bank_group] = width[bank];
  base[rank] = base[bank_group] + width[bank_group];
  base[pseudo_channel] = base[rank] + width[rank];
  std::array<std::uint32_t, field_names> taken{};
  std::uint32_t shift = 0;
  std::reverse(parts.begin(), parts.end());
  for (const Part& part : parts) {
    const std::uint32_t bits = *part.bits;
    const FieldName field = part.field;
    if (bits > 0 && field != column) {
      Pieces& pieces = field == row ? row_ : field == channel ? channel_ : bank_;
      pieces.push_back({shift, base.at(field) + taken.at(field), (std::uint64_t{1} << bits) - 1});
    }
    taken.at(field) += bits;
    shift += bits;
  }
}

std::uint32_t AddressMap::gather(const Pieces& pieces, std::uint64_t line) noexcept {
  return std::accumulate(pieces.begin(), pieces.end(), 0U, [line](std::uint32_t number, const Piece& piece) {
    return number | static_cast<std::uint32_t>(((line >> piece.shift) & piece.mask) << piece.to);
  });
}

DramAddress AddressMap::operator()(std::uint64_t byte_address) const noexcept {
  std::uint64_t line = byte_address / dram_line_bytes;
  std::uint32_t first_channel = 0;
  if (shape_.stacks > 1) {
    const std::uint64_t block = byte_address / shape_.stack_bytes;
    const std::uint32_t block_lines = shape_.stack_bytes / dram_line_bytes;
    first_channel = static_cast<std::uint32_t>(block % shape_.stacks) * shape_.channels;
    line = block / shape_.stacks * block_lines + line % block_lines;
  }
  return {first_channel + gather(channel_, line), gather(bank_, line), gather(row_, line)};
}

}  // namespace dsasim
