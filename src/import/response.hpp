#pragma once

#include "dsasim/error.hpp"
#include "dsasim/import/import.hpp"
#include "dsasim/import/source.hpp"
#include "json_fields.hpp"
#include "npy.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// One request in a server's responses: a field of base64 that holds an array.
struct ResponseArray {
  std::string where;                ///< "r.json: response 2, meta_info.indexer_topk"
  std::uint64_t string = 0;         ///< which of the strings that the fields hold
  std::uint64_t bytes = 0;          ///< after decoding
  std::optional<NpyHeader> header;  ///< of bytes that are elements alone; .npy bytes have their own
  CaptureShape shape;
};

/// Ends the reason why a request cannot be used: names --skip-bad unless the user gave it.
std::string_view skip_bad_hint(const ImportOptions& options);

/// The requests of a file of responses, while it is read for the first time.
class ResponseList {
 public:
  ResponseList(std::filesystem::path path, bool skip_bad) : path_(std::move(path)), skip_bad_(skip_bad) {}

  /// Adds the array that `make` returns. A TraceError that it throws is the reason why the request is left out, if
  /// those that cannot be used are.
  template <class Make>
  void add(Make&& make) {
    ++requests_;
    try {
      arrays_.push_back(make());
    } catch (const TraceError& error) {
      if (!skip_bad_) {
        throw;
      }
      skipped_.emplace_back(error.what());
    }
  }

  /// `fields` are where the arrays are; the strings found there are numbered in their order. Of `unread`, names beside
  /// them, those that are about indices are told. Throws TraceError if there is no request.
  std::unique_ptr<CaptureFile> file(std::vector<JsonFields::Path> fields, const std::set<std::string>& unread) &&;

 private:
  std::vector<std::string> notes(const std::set<std::string>& unread) const;

  std::filesystem::path path_;
  bool skip_bad_;
  std::uint64_t requests_ = 0;
  std::vector<ResponseArray> arrays_;
  std::vector<std::string> skipped_;
};

/// Throws TraceError if `seen`: JSON takes the last of two equal keys, and nobody means that.
void require_first(const JsonFields& json, bool seen);

}  // namespace dsasim
