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

/// The KV store that a layer reads. Layers of one store read the same rows, whatever each of them selects.
struct StoreInfo {
  std::uint32_t kv_owner = 0;  ///< a layer of the trace that owns the store: this one, or another
  /// Rows of an entry: the layers of a group have a store each, so that there are group_size rows, unless they share.
  std::uint32_t kv_rows = 1;
  std::uint32_t unit_tokens = 1;  ///< as in TraceHeader
  std::uint64_t entry_bytes = 0;  ///< as in TraceHeader

  bool operator==(const StoreInfo&) const = default;
};

/// One step of one request: `queries` queries at consecutive positions, of which the first `accepted` stay. Ordinary
/// decoding has one of each, a pause none.
struct DecodeStep {
  std::uint64_t first_row = 0;       ///< queries of the request's steps before: a lane has a row for each
  std::uint64_t context_tokens = 0;  ///< before the step: query j sits at this position + j
  std::uint32_t queries = 1;
  std::uint32_t accepted = 1;

  /// Tokens that query j sees, its own included.
  constexpr std::uint64_t seen_by(std::uint32_t query) const noexcept { return context_tokens + query + 1; }

  bool operator==(const DecodeStep&) const = default;
};

/// All that a trace says about itself before its first selection. What a replay reads of it belongs to
/// TraceReader::identity().
struct TraceHeader {
  static constexpr std::uint32_t max_layers = 1U << 16U;
  static constexpr std::uint32_t max_unit_tokens = 1024;
  static constexpr std::uint32_t max_page_tokens = 1U << 20U;
  static constexpr std::uint64_t max_entry_bytes = std::uint64_t{1} << 30U;
  static constexpr std::uint32_t max_queries = 1024;  ///< of a step

  std::string model;       ///< free text, empty if unknown
  std::string provenance;  ///< free text: where the capture comes from
  IdKind ids = IdKind::logical;
  std::uint32_t unit_tokens = 1;  ///< tokens one id stands for: 1, or 4 for DeepSeek-V4's compressed entries
  std::uint32_t page_tokens = 0;  ///< page of the stack's KV pool in tokens, 0 if unknown
  std::uint64_t entry_bytes = 0;  ///< bytes of one entry's KV row in one layer, 0 if unknown
  bool has_scores = false;        ///< every id carries a float16 score
  std::vector<LayerInfo> layers;
  std::vector<RequestInfo> requests;
  bool has_queries = false;  ///< some step has not exactly one query that is accepted: each says how many it has
  /// By layer, if layers share stores, or stores differ in unit or bytes. Then unit_tokens and entry_bytes are those of
  /// the first layer's. Empty: every layer of the model has a store of its own, and all are alike.
  std::vector<StoreInfo> stores = {};

  /// The store that a layer reads.
  StoreInfo store(std::uint32_t layer) const {
    return stores.empty() ? StoreInfo{.kv_owner = layer,
                                      .kv_rows = layers[layer].group_size,
                                      .unit_tokens = unit_tokens,
                                      .entry_bytes = entry_bytes}
                          : stores[layer];
  }
  std::uint32_t unit_of(std::uint32_t layer) const noexcept {
    return stores.empty() ? unit_tokens : stores[layer].unit_tokens;
  }
  /// Rows that a miss fetches: one in the store of each layer of the group, or one that they share.
  std::uint32_t kv_rows(std::uint32_t layer) const noexcept {
    return stores.empty() ? layers[layer].group_size : stores[layer].kv_rows;
  }
  /// Of all stores: ids of the others name more tokens.
  std::uint32_t least_unit() const noexcept;
  /// Some store is read by two layers of the trace.
  bool shares_stores() const noexcept;
  bool mixes_units() const noexcept;
  bool mixes_entry_bytes() const noexcept;
};

/// Steps of the batch, half open.
struct StepRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

/// Entries of a context of so many tokens that a query may select: those that are whole, and the one that the last
/// tokens are filling. Logical ids are below. Some models attend to that one always (MiniMax-M3's local block), others
/// never select it (DeepSeek-V4).
constexpr std::uint64_t begun_entries(std::uint64_t tokens, std::uint32_t unit_tokens) noexcept {
  return (tokens + unit_tokens - 1) / unit_tokens;
}

/// Where every step has one query and all stores have one unit: whole entries when the request's step `step` (counted
/// from its own first) selects, of the prompt, the steps before and the query's own.
constexpr std::uint64_t context_entries(const TraceHeader& header, const RequestInfo& request,
                                        std::uint64_t step) noexcept {
  return (request.prompt_tokens + step + 1) / header.unit_tokens;
}

/// Likewise, those that the step may select.
constexpr std::uint64_t selectable_entries(const TraceHeader& header, const RequestInfo& request,
                                           std::uint64_t step) noexcept {
  return begun_entries(request.prompt_tokens + step + 1, header.unit_tokens);
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
