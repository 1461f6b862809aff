#pragma once

#include "dsasim/import/source.hpp"
#include "dsasim/trace/writer.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// What the user says about captures whose format does not; each also checks what the format does say.
struct ImportOptions {
  std::string format = "auto";                 ///< a name of import_formats(), or "auto"
  std::optional<std::uint32_t> layers;         ///< --layers
  std::optional<std::uint32_t> top_k;          ///< --top-k
  std::optional<std::uint64_t> prompt_tokens;  ///< --prompt-len
  IdKind ids = IdKind::logical;                ///< --ids
  std::optional<std::uint64_t> steps;          ///< --steps: of each capture no more than the first so many
  std::uint32_t unit_tokens = 1;               ///< --unit-tokens
  std::uint32_t page_tokens = 0;
  std::uint64_t entry_bytes = 0;
  std::string model;
  std::string provenance;
  WriterOptions writer;
};

/// A capture format: one row of the list in src/import/formats.cpp, one file beside it.
struct ImportFormat {
  std::string_view name;
  std::string_view description;
  /// Looks at the first bytes of the file (up to 4096 of them); used by "auto", where the first row that says yes wins.
  bool (*recognises)(std::span<const unsigned char> first_bytes);
  /// Reads and checks all but the selections. Throws TraceError or ConfigError naming the file and what disagrees,
  /// SystemError if it cannot be read.
  std::unique_ptr<CaptureSource> (*open)(const std::filesystem::path& path, const ImportOptions& options);
};

std::span<const ImportFormat> import_formats();

/// Makes one batch of all `inputs`, one request each, and writes it to `output`. Everything about every input that can
/// be checked without reading its selections is checked before the output is created. On an error no output is left,
/// and what stood there before still stands. `progress` is called with the steps done and the steps in all.
void import_captures(std::span<const std::filesystem::path> inputs, const std::filesystem::path& output,
                     const ImportOptions& options,
                     const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace dsasim
