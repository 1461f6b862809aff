#pragma once

#include "array_source.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// A file of named arrays.
class ArrayArchive {
 public:
  struct Member {
    std::string name;  ///< as the file has it: "topk_indices.npy"
    std::string key;   ///< of an array; "" if it is none
  };

  virtual ~ArrayArchive() = default;
  virtual const std::string& name() const = 0;
  virtual const std::vector<Member>& members() const = 0;
  /// The array of that key, which is there.
  virtual std::unique_ptr<NpyReader> open(std::string_view key) const = 0;
  /// A number that stands beside the arrays, where a format has such.
  virtual std::optional<std::uint64_t> metadata(std::string_view key) const = 0;
};

/// The arrays of one request and what the others say of them: array_archive.cpp lists the keys. Throws TraceError.
RequestArrays open_archive(const ArrayArchive& archive, const ImportOptions& options);

}  // namespace dsasim
