#pragma once

#include "dsasim/import/arrivals.hpp"
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

/// What the user says ids are.
enum class IdClaim : std::uint8_t {
  automatic,  ///< slots if many of them reach beyond their context (src/import/slots.hpp); positions otherwise
  logical,
  physical,
};

/// What a model says of the arrays of its captures. Formats that do not say their shape are divided by it.
struct ModelShape {
  std::uint32_t layers = 0;            ///< all hidden layers
  std::uint32_t indexer_layers = 0;    ///< those that own an index
  std::optional<std::uint32_t> top_k;  ///< the width of a row
};

/// --prompt-start: the position of the query of a capture's first row.
struct PromptStart {
  enum class From : std::uint8_t { begin, end };
  From from = From::begin;
  std::uint64_t tokens = 0;  ///< after the prompt's begin, or before its end

  /// Of a prompt of so many tokens. Never beyond its end unless it is counted from the begin.
  constexpr std::uint64_t position(std::uint64_t prompt) const noexcept {
    return from == From::begin ? tokens : prompt - (tokens < prompt ? tokens : prompt);
  }
};

/// What the user says about captures whose format does not; each also checks what the format does say.
struct ImportOptions {
  std::string format = "auto";                 ///< a name of import_formats(), or "auto"
  std::optional<std::uint32_t> layers;         ///< --layers
  std::optional<std::uint32_t> top_k;          ///< --top-k
  std::optional<std::uint64_t> prompt_tokens;  ///< --prompt-len
  std::optional<PromptStart> prompt_start;     ///< --prompt-start
  bool skip_bad = false;                       ///< --skip-bad: leaves out what cannot be used, and counts it
  std::optional<std::uint64_t> steps;          ///< --steps: of each request no more than the first so many
  std::optional<IdClaim> ids;                  ///< --ids; if none, what the format advises
  std::optional<std::uint32_t> unit_tokens;    ///< --unit-tokens; if none, the model's, or 1
  /// --layer-map: which layer owns the index that each layer uses, "0,1,2,2,2,2,6", or a JSON file that says so (a
  /// checkpoint's config.json); empty if each layer of the capture has its own.
  std::string layer_map;
  /// --kv-map: which layer's KV store each layer reads, in the same forms; empty if each layer has its own, or the
  /// capture says so.
  std::string kv_map;
  std::optional<std::uint32_t> heads;  ///< --heads: arrays are (steps, layers, heads, top-k); each head is a layer
  /// --model: a configuration that load_model knows, or a checkpoint's config.json. It gives what the options above and
  /// entry_bytes leave open: which layers own an index, the top-k, the tokens and bytes of an entry.
  std::string model;
  std::optional<ModelShape> model_shape;  ///< import_captures sets it, from layer_map or model
  std::uint32_t page_tokens = 0;
  std::uint64_t entry_bytes = 0;
  ArrivalOptions arrivals;  ///< of the requests, in the order of the captures: the first of the file's
  std::string provenance;
  WriterOptions writer;
};

/// What formats are recognised by.
struct CaptureStart {
  std::span<const unsigned char> bytes;  ///< the first, up to 4096, after decompression
  /// Of the formats' json_key, the first in the first JSON object, or an inner_json_key within it; "" if there is none.
  std::string_view json_key;
};

/// A capture format: one row of the list in src/import/formats.cpp, one file beside it.
struct ImportFormat {
  std::string_view name;
  std::string_view description;
  /// Used by "auto", where the first row that says yes wins.
  bool (*recognises)(const CaptureStart& start);
  /// Reads and checks all but the selections. Throws TraceError or ConfigError naming the file and what disagrees,
  /// SystemError if it cannot be read.
  std::unique_ptr<CaptureFile> (*open)(const std::filesystem::path& path, const ImportOptions& options);
  /// Its rows name their steps, so that nothing is open about where they begin.
  bool names_steps = false;
  /// What ids are unless the user says so.
  IdClaim ids = IdClaim::logical;
  /// The key that tells its JSON objects from those of others; "" if it is no JSON.
  std::string_view json_key = {};
  /// Within a json_key of another format, a key that makes the objects this one's: "choices[].meta_info".
  std::string_view inner_json_key = {};
  /// Arrays whose dimensions have no names: --heads may say what they are.
  bool is_array = false;
};

std::span<const ImportFormat> import_formats();

/// What came of the ids, and what there is to say of the captures.
struct ImportedIds {
  IdKind kind = IdKind::logical;
  /// One sentence if the ids of the capture are slots: what proved it, and whether the positions were recovered.
  std::string note;
  /// What the captures say and nothing reads, what was left out, and what in them contradicts what was declared, a
  /// sentence each.
  std::vector<std::string> warnings = {};
};

/// Makes one batch of all requests of all `inputs`, in this order, and writes it to `output`. Everything about every
/// input that can be checked without reading its selections is checked before the output is created. On an error no
/// output is left, and what stood there before still stands. `progress` is called with the steps done and the steps in
/// all.
///
/// Ids that are found to be slots (IdClaim::automatic) are turned into positions where it is certain which position
/// each slot holds: a selection of everything lists the slots in order, and pages of page_tokens (64 if unknown) are
/// contiguous. If one slot of one request is uncertain, all ids stay slots.
ImportedIds import_captures(std::span<const std::filesystem::path> inputs, const std::filesystem::path& output,
                            const ImportOptions& options,
                            const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace dsasim
