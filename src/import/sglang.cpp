// Format "sglang": responses of SGLang's /generate with "return_indexer_topk": true, as a client saves them: one JSON
// object, a list of them, or one after another (JSON lines). Of each, meta_info has
//
//   indexer_topk             base64 of int32, little-endian, (rows, layers, top-k) in C order, and nothing about its
//   shape indexer_topk_num_layers  layers, in one branch prompt_tokens, completion_tokens
//
// Which rows are decode steps: decode_rows.hpp. docs/formats.md has the traps.
#include "array_source.hpp"
#include "base64_field.hpp"
#include "decode_rows.hpp"
#include "dsasim/error.hpp"
#include "formats.hpp"
#include "response.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace dsasim {
namespace {

constexpr std::uint64_t id_bytes = 4;

/// What a response says of its array.
struct Response {
  std::optional<std::uint64_t> bytes;
  std::optional<std::uint64_t> layers, prompt, completion;
};

/// Reads the layout of one response's ids off what is known of it.
class Layout {
 public:
  Layout(std::string where, const Response& response, const ImportOptions& options)
      : where_(std::move(where)),
        response_(response),
        options_(options),
        prompt_(response.prompt ? response.prompt : options.prompt_tokens),
        top_k_(options.top_k || !options.model_shape ? options.top_k : options.model_shape->top_k) {}

  ResponseArray array() const {
    if (*response_.bytes % id_bytes != 0) {
      throw TraceError(where_, "has {} bytes, which are no int32: it was cut off", *response_.bytes);
    }
    ResponseArray out{.where = where_, .bytes = *response_.bytes, .header = header(), .shape = {}};
    NpyReader ids(open_start({}, where_, out.bytes), *out.header);
    const ArrayShape shape = array_shape(ids, claims_of(options_));
    out.shape = capture_shape(ids, nullptr, shape, decode_steps(shape.rows), response_.prompt);
    return out;
  }

 private:
  NpyHeader header() const {
    const std::uint64_t ids = *response_.bytes / id_bytes;
    const std::uint64_t layers = response_.layers       ? *response_.layers
                                 : options_.layers      ? *options_.layers
                                 : options_.model_shape ? layers_of_model(ids, *options_.model_shape)
                                                        : divided(ids, "layers", "--layers", top_k_);
    const std::uint64_t top_k = top_k_ ? *top_k_ : divided(ids, "ids for each layer", "--top-k", layers);
    constexpr std::uint64_t most = std::uint64_t{1} << 31U;  // so that the product fits
    if (layers == 0 || layers > most || ids == 0 || ids % (layers * top_k) != 0) {
      throw TraceError(where_, "has {} ids, which are no rows of {} layers x {} ids", ids, layers, top_k);
    }
    return {.type = {.kind = 'i', .size = id_bytes, .big_endian = false, .descr = "<i4"},
            .fortran_order = false,
            .shape = {ids / (layers * top_k), layers, top_k}};
  }

  /// Which of a model's two numbers of layers the ids have: all of a DSA model's, those of DeepSeek-V4 that own an
  /// index.
  std::uint64_t layers_of_model(std::uint64_t ids, const ModelShape& model) const {
    const bool all = fits(ids, model.layers);
    const bool owners = model.indexer_layers != model.layers && fits(ids, model.indexer_layers);
    if (all == owners) {
      throw TraceError(where_, "has {} ids{}, {} the model's {} layers {} its {} with an index{}; give {}", ids,
                       row_text(ids), all ? "which could be rows of" : "which are no rows of", model.layers,
                       all ? "and of" : "nor of", model.indexer_layers,
                       top_k_ ? fmt::format(", of {} ids each", *top_k_) : "",
                       options_.top_k || (all && top_k_) ? "--layers" : "--layers or --top-k");
    }
    return all ? model.layers : model.indexer_layers;
  }

  /// Whether so many ids can be rows of so many layers, by the top-k and by the tokens of the request.
  bool fits(std::uint64_t ids, std::uint64_t layers) const {
    const bool request_is_known = prompt_ && response_.completion;
    if (!top_k_) {
      return request_is_known && quotient(ids, layers, /*is_top_k=*/true).has_value();
    }
    const std::uint64_t row = layers * *top_k_;
    return ids % row == 0 && (!request_is_known || decode_rows(ids / row, *prompt_, *response_.completion));
  }

  /// The number by which `known` and the rows of the request make up all ids. With a row at the stop's edge there is
  /// one row more. Where both fit there is none, or, of two top-k, the one that is a power of two, as every published
  /// one is.
  std::optional<std::uint64_t> quotient(std::uint64_t ids, std::uint64_t known, bool is_top_k) const {
    std::optional<std::uint64_t> found;
    for (const std::uint64_t rows : {queries(), queries() + 1}) {
      if (known == 0 || rows == 0 || ids == 0 || ids % rows != 0 || ids / rows % known != 0) {
        continue;
      }
      const std::uint64_t here = ids / rows / known;
      if (found && (!is_top_k || std::has_single_bit(*found) == std::has_single_bit(here))) {
        return std::nullopt;
      }
      found = !found || std::has_single_bit(here) ? here : found;
    }
    return found;
  }

  /// Of the request: its tokens but the last, which nothing is asked with.
  std::uint64_t queries() const {
    const std::uint64_t tokens = prompt_.value_or(0) + response_.completion.value_or(0);
    return tokens - std::min<std::uint64_t>(tokens, 1);
  }

  /// The number that is missing of rows x layers x top-k = ids, rows being the queries of the request.
  std::uint64_t divided(std::uint64_t ids, std::string_view missing, std::string_view option,
                        std::optional<std::uint64_t> known) const {
    if (!known) {
      throw TraceError(where_, "does not say its shape{}; give --layers or --top-k", row_text(ids));
    }
    if (!prompt_ || !response_.completion) {
      throw TraceError(where_, "does not say its number of {}, nor {} tokens to find it from; give {}", missing,
                       prompt_ ? "completion" : "prompt", option);
    }
    if (const std::optional<std::uint64_t> found = quotient(ids, *known, option == "--top-k")) {
      return *found;
    }
    throw TraceError(
        where_,
        "has {} ids; {} prompt and {} completion tokens make {} rows, or one more, which divide into {} {} "
        "in no way or in two; give {}",
        ids, *prompt_, *response_.completion, queries(), *known, option == "--layers" ? "ids for each layer" : "layers",
        option);
  }

  std::string row_text(std::uint64_t ids) const {
    const std::uint64_t rows = queries();
    return prompt_ && response_.completion && rows > 0 && ids % rows == 0
               ? fmt::format(": {} rows of {} ids", rows, ids / rows)
               : "";
  }

  DecodeRows decode_steps(std::uint64_t rows) const {
    if (!prompt_) {
      throw TraceError(where_, "has no meta_info.prompt_tokens beside it; give --prompt-len");
    }
    if (!response_.completion) {
      return {.first = std::min(*prompt_, rows), .steps = rows - std::min(*prompt_, rows)};
    }
    const std::optional<DecodeRows> found = decode_rows(rows, *prompt_, *response_.completion);
    if (!found) {
      throw TraceError(where_, "has {} rows, {} prompt and {} completion tokens make {}", rows, *prompt_,
                       *response_.completion, queries());
    }
    return *found;
  }

  std::string where_;
  const Response& response_;
  const ImportOptions& options_;
  std::optional<std::uint64_t> prompt_;
  std::optional<std::uint32_t> top_k_;  ///< by --top-k, or by the model
};

enum Field : std::uint8_t { topk, layers, prompt, completion };

const JsonFields::Path topk_path{"meta_info", "indexer_topk"};

std::vector<JsonFields::Path> fields() {
  return {topk_path,
          {"meta_info", "indexer_topk_num_layers"},
          {"meta_info", "prompt_tokens"},
          {"meta_info", "completion_tokens"}};
}

void read_number(JsonFields& json, std::optional<std::uint64_t>& number) {
  require_first(json, number.has_value());
  constexpr std::uint64_t most = max_entry_ids;  // no capture is near, and sums of them do not wrap
  number = json.unsigned_number();
  if (*number > most) {
    throw TraceError(json.place(), "{} is {}, expected at most {}", json.field_name(), *number, most);
  }
}

std::unique_ptr<CaptureFile> open_sglang(const std::filesystem::path& path, const ImportOptions& options) {
  JsonFields json(path, fields());
  std::vector<ResponseArray> arrays;
  Response response;
  const auto where = [&] {
    return fmt::format("{}: response {}, meta_info.indexer_topk", path.string(), json.documents() - 1);
  };
  for (auto event = json.next(); event != JsonFields::Event::end; event = json.next()) {
    if (event == JsonFields::Event::end_of_document) {
      if (!response.bytes) {
        throw TraceError(json.place(),
                         "response {} has no meta_info.indexer_topk; the server needs --enable-return-indexer-topk, "
                         "the request \"return_indexer_topk\": true",
                         json.documents() - 1);
      }
      arrays.push_back(Layout(where(), response, options).array());
      response = {};
      continue;
    }
    if (json.field() == topk) {
      require_first(json, response.bytes.has_value());
      json.require(JsonKind::string);
      response.bytes = measure_base64(json, where(), /*start_bytes=*/0).bytes;
    } else if (json.kind() != JsonKind::null) {
      read_number(json, json.field() == layers   ? response.layers
                        : json.field() == prompt ? response.prompt
                                                 : response.completion);
    }
  }
  if (arrays.empty()) {
    throw TraceError(path.string(), "holds no response");
  }
  return response_file(path, topk_path, std::move(arrays));
}

}  // namespace

ImportFormat sglang_format() {
  return {.name = "sglang",
          .description = "responses of SGLang's /generate: JSON, a list, or JSON lines; meta_info.indexer_topk",
          .recognises = [](const CaptureStart& start) { return start.json_key == "meta_info"; },
          .open = open_sglang,
          .ids = IdClaim::automatic,
          .json_key = "meta_info"};
}

}  // namespace dsasim
