#pragma once

#include "base64.hpp"
#include "byte_source.hpp"
#include "json_fields.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// What a field of base64 holds, as far as that is seen without decoding it.
struct Base64Field {
  std::uint64_t bytes = 0;       ///< after decoding
  std::vector<std::byte> start;  ///< the first of them, as many as were asked for
};

/// Passes over the field that `json` stands at, a string. Throws TraceError, naming `where`, unless its length is one
/// that base64 has.
Base64Field measure_base64(JsonFields& json, const std::string& where, std::size_t start_bytes);

/// The bytes of the field that `json` stands at, decoded while they are read; `bytes` was measured before. `json` is
/// not used by others meanwhile, and outlives it.
std::unique_ptr<ByteSource> open_base64(JsonFields& json, std::string where, std::uint64_t bytes);

/// The first bytes of something that is `size` long: enough to read its header from.
std::unique_ptr<ByteSource> open_start(std::vector<std::byte> start, std::string where, std::uint64_t size);

}  // namespace dsasim
