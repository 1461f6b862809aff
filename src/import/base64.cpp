// Tables instead of a library: none that Debian 12 has decodes a part of a text at GB/s and says where it is wrong.
#include "base64.hpp"

#include <cstring>
#include <string_view>

namespace dsasim {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint32_t invalid = std::uint32_t{1} << 31U;

constexpr std::uint32_t byte_swapped(std::uint32_t value) {
  return (value >> 24U) | ((value >> 8U) & 0xff00U) | ((value << 8U) & 0xff0000U) | (value << 24U);
}

/// What the character at place 0 to 3 of a quartet adds to its three bytes, read as a little-endian number.
using Table = std::array<std::uint32_t, 256>;
constexpr std::array<Table, base64_quartet> make_tables() {
  std::array<Table, base64_quartet> tables{};
  for (std::uint32_t place = 0; place < base64_quartet; ++place) {
    for (std::uint32_t& entry : tables[place]) {
      entry = invalid;
    }
    for (std::uint32_t i = 0; i < alphabet.size(); ++i) {
      tables[place][static_cast<unsigned char>(alphabet[i])] = byte_swapped((i << (18U - 6U * place)) << 8U);
    }
  }
  return tables;
}
constexpr std::array<Table, base64_quartet> tables = make_tables();

std::uint32_t decode(const char* text) noexcept {
  const auto at = [&](std::size_t place) { return tables[place][static_cast<unsigned char>(text[place])]; };
  return at(0) | at(1) | at(2) | at(3);
}

void store(std::uint32_t value, std::byte* out) noexcept {
  out[0] = static_cast<std::byte>(value & 0xffU);
  out[1] = static_cast<std::byte>((value >> 8U) & 0xffU);
  out[2] = static_cast<std::byte>((value >> 16U) & 0xffU);
}

bool in_alphabet(char c) noexcept {
  return tables[0][static_cast<unsigned char>(c)] != invalid;
}

std::size_t first_wrong(std::span<const char> text) noexcept {
  std::size_t at = 0;
  while (at < text.size() && in_alphabet(text[at])) {
    ++at;
  }
  return at;
}

}  // namespace

std::size_t decode_base64(std::span<const char> text, std::span<std::byte> out) noexcept {
  const std::size_t quartets = text.size() / base64_quartet;
  const char* from = text.data();
  std::byte* to = out.data();
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < quartets; ++i) {
    const std::uint32_t value = decode(from);
    seen |= value;
    store(value, to);
    from += base64_quartet;
    to += base64_triple;
  }
  return (seen & invalid) == 0 ? text.size() : first_wrong(text);
}

Base64Quartet decode_base64_quartet(std::span<const char, base64_quartet> text) noexcept {
  const std::size_t padding = text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
  const std::size_t size = base64_triple - padding;
  Base64Quartet out;
  out.wrong_at = first_wrong(text.first(base64_quartet - padding));
  if (out.wrong_at < base64_quartet - padding) {
    return out;
  }
  std::array<char, base64_quartet> filled{'A', 'A', 'A', 'A'};  // six bits of 0 each
  std::memcpy(filled.data(), text.data(), base64_quartet - padding);
  std::array<std::byte, base64_triple> bytes{};
  store(decode(filled.data()), bytes.data());
  for (std::size_t i = size; i < base64_triple; ++i) {
    if (bytes[i] != std::byte{0}) {
      out.wrong_at = size;  // the last character before the padding
      return out;
    }
  }
  out.bytes = bytes;
  out.size = size;
  return out;
}

}  // namespace dsasim
