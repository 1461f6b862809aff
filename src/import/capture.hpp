#pragma once

#include "dsasim/import/import.hpp"
#include "dsasim/import/source.hpp"
#include "layer_map.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace dsasim {

/// One input: its requests are known, its selections not yet read.
struct Capture {
  std::filesystem::path path;
  const ImportFormat* format;
  std::unique_ptr<CaptureFile> file;
  std::uint32_t first_request;               ///< the number of its first request in the batch
  std::vector<std::uint64_t> prompt_tokens;  ///< of each request

  const std::vector<CaptureShape>& requests() const { return file->requests(); }
  std::uint64_t total_steps() const;
  /// Throws TraceError if a request has more entries, each of so many tokens, than ids can name.
  void require_contexts(std::uint32_t unit_tokens) const;
  /// "r.json", or "r.json: request 2" if there are several.
  std::string place(std::uint32_t request) const;
  /// Tokens of its request at this step: the prompt, and a token for each step up to this one.
  std::uint64_t context(std::uint32_t request, std::uint64_t step) const { return prompt_tokens[request] + step + 1; }
  /// Some request has steps of other than one query that is accepted: context() does not hold.
  bool has_queries() const;
};

struct OpenedCaptures {
  std::vector<Capture> captures;   ///< at least one
  std::vector<std::string> notes;  ///< what is in the inputs and not used
};

/// Opens all inputs, in this order, collapses their layers if a map is given, and checks all that can be checked
/// without reading selections. Throws TraceError, ConfigError or SystemError; inputs that cannot be used are left out
/// if the options say so.
OpenedCaptures open_captures(std::span<const std::filesystem::path> inputs, const ImportOptions& options,
                             const LayerMap* layers);

/// What the captures say of their ids, each where one of them says it. Throws TraceError if two differ.
CaptureEntries entries_of(std::span<const Capture> captures);

/// Calls f(request of the capture, its step, what was read) for each step of the capture, until that returns false.
template <class F>
bool for_each_step(const Capture& capture, F&& f) {
  const std::unique_ptr<CaptureSource> source = capture.file->read();
  const std::uint64_t total = capture.total_steps();
  std::vector<std::uint64_t> steps(capture.requests().size());
  CaptureStep step;
  for (std::uint64_t i = 0; i < total; ++i) {
    source->read_step(step);
    if (!f(step.request, steps[step.request]++, step)) {
      return false;
    }
  }
  return true;
}

}  // namespace dsasim
