#pragma once

// Makes the checksums of a changed .dsat file right again, so that a reader meets the change and not the checksum.

#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace traces {

inline constexpr std::size_t record_size = 64;

template <class T>
T load(const std::uint8_t* from) {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void store(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

/// The last eight of the `size` bytes become the checksum of the others.
inline void reseal_part(std::uint8_t* bytes, std::size_t size) {
  store(bytes + size - 8, std::uint64_t{XXH3_64bits(bytes, size - 8)});
}

/// Header, chunks and end record, as far as the sizes in them lead.
inline void reseal(std::uint8_t* bytes, std::size_t size) {
  if (size < 24) {
    return;
  }
  const auto header_bytes = load<std::uint32_t>(bytes + 12);
  if (header_bytes < 24 || header_bytes > size) {
    return;
  }
  reseal_part(bytes, header_bytes);
  const bool has_queries = load<std::uint32_t>(bytes + 8) == 2 && (bytes[18] & 1U) != 0;
  for (std::size_t at = header_bytes; size - at >= record_size;) {
    std::uint8_t* record = bytes + at;
    at += record_size;
    if (std::memcmp(record, "DSCK", 4) == 0) {
      if (const std::size_t table = 4 * std::size_t{load<std::uint32_t>(record + 16)} + 8;
          has_queries && table <= size - at) {
        reseal_part(bytes + at, table);
        at += table;
      }
      const auto payload_bytes = load<std::uint64_t>(record + 40);
      if (payload_bytes > size - at) {
        reseal_part(record, record_size);
        return;
      }
      store(record + 48, std::uint64_t{XXH3_64bits(bytes + at, payload_bytes)});
      at += payload_bytes;
    }
    reseal_part(record, record_size);
  }
}

}  // namespace traces
