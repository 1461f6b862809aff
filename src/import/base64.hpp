#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace dsasim {

/// Four characters of standard base64 (RFC 4648, section 4) are three bytes.
constexpr std::size_t base64_quartet = 4;
constexpr std::size_t base64_triple = 3;

/// Decodes quartets without padding. Returns how many characters are good: less than text.size() if there is one
/// outside the alphabet, whose index it then is. text.size() is a multiple of 4, out.size() three quarters of it.
std::size_t decode_base64(std::span<const char> text, std::span<std::byte> out) noexcept;

/// A quartet that may be padded at its end.
struct Base64Quartet {
  std::array<std::byte, base64_triple> bytes{};
  std::size_t size = 0;     ///< of the bytes: 1 to 3, or 0 if the quartet is wrong
  std::size_t wrong_at = 0; /**< index of the first character that cannot stand where it stands, which includes bits
                                 that are cut off and not 0 */
};
Base64Quartet decode_base64_quartet(std::span<const char, base64_quartet> text) noexcept;

}  // namespace dsasim
