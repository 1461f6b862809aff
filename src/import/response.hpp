#pragma once

#include "dsasim/import/source.hpp"
#include "json_fields.hpp"
#include "npy.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dsasim {

/// One request in a server's responses: a field of base64 that holds an array.
struct ResponseArray {
  std::string where;                ///< "r.json: response 2, meta_info.indexer_topk"
  std::uint64_t bytes = 0;          ///< after decoding
  std::optional<NpyHeader> header;  ///< of bytes that are elements alone; .npy bytes have their own
  CaptureShape shape;
};

/// A file of responses. `field` is where the arrays are; the strings found there are `arrays`, in this order.
std::unique_ptr<CaptureFile> response_file(const std::filesystem::path& path, JsonFields::Path field,
                                           std::vector<ResponseArray> arrays);

/// Throws TraceError if `seen`: JSON takes the last of two equal keys, and nobody means that.
void require_first(const JsonFields& json, bool seen);

}  // namespace dsasim
