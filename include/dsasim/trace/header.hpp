#pragma once

#include "dsasim/types.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// What an id means.
enum class IdKind : std::uint8_t {
  logical,   ///< a position (divided by unit_tokens); always below the request's context
  physical,  ///< a slot of the serving stack's pool: reuse is exact, positions are unknown
};

struct RequestInfo {
  std::uint64_t prompt_tokens = 0;  ///< length of the prompt: the first decode step's query sits at this position
  std::uint32_t start_step = 0;     ///< the batch's step at which this request begins to decode
};

constexpr std::string_view name_of(IdKind ids) noexcept {
  return ids == IdKind::logical ? "logical" : "physical";
}

/// A layer that owns an index. Layers that share it are not stored; their number is.
struct LayerInfo {
  std::uint32_t model_layer = 0;  ///< its number in the model
  std::uint32_t group_size = 1;   ///< layers that use this selection, the owner included

  bool operator==(const LayerInfo&) const = default;
};

/// All that a trace says about itself before its first selection. What a replay reads of it belongs to
/// TraceReader::identity().
struct TraceHeader {
  static constexpr std::uint32_t max_layers = 1U << 16U;
  static constexpr std::uint32_t max_unit_tokens = 1024;
  static constexpr std::uint32_t max_page_tokens = 1U << 20U;
  static constexpr std::uint64_t max_entry_bytes = std::uint64_t{1} << 30U;

  std::string model;       ///< free text, empty if unknown
  std::string provenance;  ///< free text: where the capture comes from
  IdKind ids = IdKind::logical;
  std::uint32_t unit_tokens = 1;  ///< tokens one id stands for: 1, or 4 for DeepSeek-V4's compressed entries
  std::uint32_t page_tokens = 0;  ///< page of the stack's KV pool in tokens, 0 if unknown
  std::uint64_t entry_bytes = 0;  ///< bytes of one entry's KV row in one layer, 0 if unknown
  bool has_scores = false;        ///< every id carries a float16 score
  std::vector<LayerInfo> layers;
  std::vector<RequestInfo> requests;
};

/// Steps of the batch, half open.
struct StepRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

/// Entries that exist when the request's step `step` (counted from its own first) selects: the prompt, the steps
/// before and the query's own, in whole units.
constexpr std::uint64_t context_entries(const TraceHeader& header, const RequestInfo& request,
                                        std::uint64_t step) noexcept {
  return (request.prompt_tokens + step + 1) / header.unit_tokens;
}

/// Entries that the step may select: those that exist, and the one that its tokens are filling. Logical ids are below.
/// Some models attend to that one always (MiniMax-M3's local block), others never select it (DeepSeek-V4).
constexpr std::uint64_t selectable_entries(const TraceHeader& header, const RequestInfo& request,
                                           std::uint64_t step) noexcept {
  return (request.prompt_tokens + step + header.unit_tokens) / header.unit_tokens;
}

/// One selection: the ids one layer of one request chose at one step, in the order they were logged, and a raw
/// float16 for each where the trace has scores. It may come as a set as well: bit i of word w says whether id 64 w + i
/// was selected.
struct SelectionView {
  const EntryId* ids = nullptr;           ///< null if only the set was asked for
  const std::uint16_t* scores = nullptr;  ///< null without scores
  std::uint32_t size = 0;
  const std::uint64_t* words = nullptr;  ///< null without the set
  std::uint32_t word_count = 0;          ///< the same at all steps of a request
  bool ascending = true;                 ///< the order they were logged in
};

}  // namespace dsasim
