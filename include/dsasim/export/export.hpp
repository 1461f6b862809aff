#pragma once

#include "dsasim/replay/replay.hpp"

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace dsasim {

/// Takes the next bytes of an output.
using ExportSink = std::function<void(std::string_view bytes)>;

/// A format that is one stream of bytes. A new one is a file in src/export/ and a row in src/export/formats.cpp; `npz`,
/// which is a file a request, stands beside them.
struct ExportFormat {
  std::string_view name;
  std::string_view sentence;
  /// `config` says which steps and in which order, and for `addresses` which lines are read at all.
  void (*write)(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink);
};
std::span<const ExportFormat> export_formats();

/// Writes the trace in the format of that name. Throws ConfigError for an unknown name, naming the known ones, and for
/// what the format needs and the configuration lacks; TraceError for damage; and what the sink throws.
void export_trace(const TraceReader& trace, std::string_view format, const ReplayConfig& config,
                  const ExportSink& sink);

/// One request as `req_<i>.npz`, which import takes back: topk_indices (steps, layers, k) padded with -1, topk_scores
/// if the trace has them, and what the header says of the request, its layers and its ids (docs/formats.md). `path` is
/// replaced when it is whole. Throws SystemError if it cannot be written.
void export_npz(const TraceReader& trace, std::uint32_t request, const std::filesystem::path& path);

}  // namespace dsasim
