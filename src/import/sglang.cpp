// Format "sglang": responses of SGLang's /generate with "return_indexer_topk": true, as a client saves them: one JSON
// object, a list of them, or one after another (JSON lines). Of each, meta_info (that of each choice, where the
// response is one of the chat endpoint's) has
//
//   indexer_topk             base64 of int32, little-endian, (rows, layers, top-k) in C order, and nothing of its shape
//   indexer_topk_num_layers  layers, in one branch
//   indexer_topk_start_len   the position of row 0's query, where a cached prefix of the prompt has no rows
//   prompt_tokens, completion_tokens
//   finish_reason            {"type": "abort"} of a request that was aborted
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
#include <initializer_list>

namespace dsasim {
namespace {

constexpr std::uint64_t id_bytes = 4;

/// What a response says of its array.
struct Response {
  std::optional<std::uint64_t> bytes;
  std::uint64_t string = 0;
  std::optional<std::uint64_t> layers, prompt, completion, start;
  std::optional<std::string> finish;
};

/// Reads the layout of one response's ids off what is known of it.
class Layout {
 public:
  Layout(std::string where, const Response& response, const ImportOptions& options)
      : where_(std::move(where)),
        response_(response),
        options_(options),
        prompt_(response.prompt ? response.prompt : options.prompt_tokens),
        start_(start_of_rows(where_, response.start, options, prompt_)),
        top_k_(options.top_k || !options.model_shape ? options.top_k : options.model_shape->top_k) {}

  ResponseArray array() const {
    if (*response_.bytes % id_bytes != 0) {
      throw TraceError(where_, "has {} bytes, which are no int32: it was cut off", *response_.bytes);
    }
    ResponseArray out{
        .where = where_, .string = response_.string, .bytes = *response_.bytes, .header = header(), .shape = {}};
    NpyReader ids(open_start({}, where_, out.bytes), *out.header);
    const ArrayShape shape = array_shape(ids, claims_of(options_));
    const DecodeRows rows = decode_steps(shape.rows);
    if (rows.steps == 0) {
      throw TraceError(where_, "has {} rows for {} prompt tokens, and no decode steps{}", shape.rows, *prompt_,
                       skip_bad_hint(options_));
    }
    out.shape = capture_shape(ids, nullptr, shape, rows, response_.prompt);
    return out;
  }

 private:
  NpyHeader header() const {
    const std::uint64_t ids = *response_.bytes / id_bytes;
    const std::uint64_t layers = response_.layers       ? *response_.layers
                                 : options_.layers      ? *options_.layers
                                 : options_.model_shape ? layers_of_model(ids, *options_.model_shape)
                                                        : divided(ids, "layers", "`layers`", top_k_);
    const std::uint64_t top_k = top_k_ ? *top_k_ : divided(ids, "ids for each layer", "`top_k`", layers);
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
                       options_.top_k || (all && top_k_) ? "`layers`" : "`layers` or `top_k`");
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
    return ids % row == 0 && (!request_is_known || decode_rows(ids / row, *prompt_, *response_.completion, start_));
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

  /// Of the request: its tokens but the last, which nothing is asked with, and those before the first row.
  std::uint64_t queries() const {
    const std::uint64_t tokens = prompt_.value_or(0) + response_.completion.value_or(0);
    return tokens - std::min<std::uint64_t>(tokens, 1 + start_.value_or(0));
  }

  /// The number that is missing of rows x layers x top-k = ids, rows being the queries of the request.
  std::uint64_t divided(std::uint64_t ids, std::string_view missing, std::string_view option,
                        std::optional<std::uint64_t> known) const {
    if (!known) {
      throw TraceError(where_, "does not say its shape{}; give `layers` or `top_k`", row_text(ids));
    }
    if (!prompt_ || !response_.completion) {
      throw TraceError(where_, "does not say its number of {}, nor {} tokens to find it from; give {}", missing,
                       prompt_ ? "completion" : "prompt", option);
    }
    if (const std::optional<std::uint64_t> found = quotient(ids, *known, option == "`top_k`")) {
      return *found;
    }
    throw TraceError(
        where_,
        "has {} ids; {} prompt and {} completion tokens make {} rows, or one more, which divide into {} {} "
        "in no way or in two; give {}",
        ids, *prompt_, *response_.completion, queries(), *known, option == "`layers`" ? "ids for each layer" : "layers",
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
      throw TraceError(where_, "has no meta_info.prompt_tokens beside it; give `prompt_len`");
    }
    if (!response_.completion) {
      return rows_after_prompt(rows, *prompt_, start_);
    }
    const std::optional<DecodeRows> found = decode_rows(rows, *prompt_, *response_.completion, start_);
    if (!found) {
      throw TraceError(where_, "has {} rows, {}", rows, rows_hint(rows, *prompt_, *response_.completion, start_));
    }
    return *found;
  }

  std::string where_;
  const Response& response_;
  const ImportOptions& options_;
  std::optional<std::uint64_t> prompt_;
  std::optional<std::uint64_t> start_;  ///< position of row 0's query, if it is known
  std::optional<std::uint32_t> top_k_;  ///< by --top-k, or by the model
};

enum Part : std::uint8_t { topk, layers, prompt, completion, start, finish, part_count };

const JsonFields::Path of_response{"meta_info"};
const JsonFields::Path of_choice{"choices", "[]", "meta_info"};

JsonFields::Path path_of(JsonFields::Path place, std::initializer_list<std::string_view> rest) {
  place.insert(place.end(), rest);
  return place;
}

/// The parts of a response's own meta_info, then those of a choice's.
std::vector<JsonFields::Path> fields() {
  std::vector<JsonFields::Path> out;
  for (const JsonFields::Path& place : {of_response, of_choice}) {
    for (const std::string_view name :
         {"indexer_topk", "indexer_topk_num_layers", "prompt_tokens", "completion_tokens", "indexer_topk_start_len"}) {
      out.push_back(path_of(place, {name}));
    }
    out.push_back(path_of(place, {"finish_reason", "type"}));
  }
  return out;
}

/// Reads the responses of a file one after the other.
class Scan {
 public:
  Scan(const std::filesystem::path& path, const ImportOptions& options)
      : path_(path), options_(options), json_(path, fields()), list_(path, options.skip_bad) {}

  std::unique_ptr<CaptureFile> file() {
    for (auto event = json_.next(); event != JsonFields::Event::end; event = json_.next()) {
      if (event == JsonFields::Event::field) {
        read_field();
      } else {
        finish_document();
      }
    }
    return std::move(list_).file({path_of(of_response, {"indexer_topk"}), path_of(of_choice, {"indexer_topk"})},
                                 json_.unread());
  }

 private:
  void read_field() {
    in_choices_ = json_.field() >= part_count;
    const auto part = static_cast<Part>(json_.field() % part_count);
    Response& response = here();
    if (json_.kind() == JsonKind::null) {
      return;
    }
    switch (part) {
      case topk:
        require_first(json_, response.bytes.has_value());
        json_.require(JsonKind::string);
        response.string = strings_++;
        response.bytes = measure_base64(json_, where(json_.element()), /*start_bytes=*/0).bytes;
        return;
      case finish:
        if (json_.kind() == JsonKind::string) {
          response.finish = json_.text(most_text);
        }
        return;
      default:
        read_number(part == layers       ? response.layers
                    : part == prompt     ? response.prompt
                    : part == completion ? response.completion
                                         : response.start);
    }
  }

  /// The response that the field stands in.
  Response& here() {
    constexpr std::uint64_t most_choices = std::uint64_t{1} << 16U;
    const std::uint64_t choice = in_choices_ ? json_.element() : 0;
    if (choice >= most_choices) {
      throw TraceError(json_.place(), "response {} has more than {} choices", json_.documents() - 1, most_choices);
    }
    responses_.resize(std::max<std::size_t>(responses_.size(), choice + 1));
    return responses_[choice];
  }

  std::string where(std::uint64_t choice) const {
    return fmt::format("{}: response {}, {}meta_info.indexer_topk", path_.string(), json_.documents() - 1,
                       in_choices_ ? fmt::format("choice {}, ", choice) : "");
  }

  void read_number(std::optional<std::uint64_t>& number) {
    require_first(json_, number.has_value());
    constexpr std::uint64_t most = max_entry_ids;  // no capture is near, and sums of them do not wrap
    number = json_.unsigned_number();
    if (*number > most) {
      throw TraceError(json_.place(), "{} is {}, expected at most {}", json_.field_name(), *number, most);
    }
  }

  void finish_document() {
    responses_.resize(std::max<std::size_t>(responses_.size(), 1));
    for (std::size_t choice = 0; choice < responses_.size(); ++choice) {
      list_.add([&] {
        const Response& response = responses_[choice];
        require_array(response, choice);
        return Layout(where(choice), response, options_).array();
      });
    }
    responses_.clear();
    in_choices_ = false;
  }

  void require_array(const Response& response, std::size_t choice) const {
    if (response.bytes.value_or(0) > 0) {
      return;
    }
    const std::string name =
        fmt::format("response {}{}", json_.documents() - 1, in_choices_ ? fmt::format(", choice {}", choice) : "");
    if (response.finish == "abort") {
      throw TraceError(json_.place(), "{} was aborted and has no meta_info.indexer_topk{}", name,
                       skip_bad_hint(options_));
    }
    if (response.bytes) {
      throw TraceError(json_.place(), "{} has an empty meta_info.indexer_topk{}", name, skip_bad_hint(options_));
    }
    throw TraceError(json_.place(),
                     "{} has no meta_info.indexer_topk; the server needs --enable-return-indexer-topk, the request "
                     "\"return_indexer_topk\": true{}",
                     name, skip_bad_hint(options_));
  }

  static constexpr std::size_t most_text = 64;

  const std::filesystem::path& path_;
  const ImportOptions& options_;
  JsonFields json_;
  ResponseList list_;
  std::vector<Response> responses_;  ///< of this document
  bool in_choices_ = false;          ///< they are those of its choices
  std::uint64_t strings_ = 0;
};

std::unique_ptr<CaptureFile> open_sglang(const std::filesystem::path& path, const ImportOptions& options) {
  return Scan(path, options).file();
}

}  // namespace

ImportFormat sglang_format() {
  return {.name = "sglang",
          .description = "responses of SGLang: JSON, a list, or JSON lines; meta_info.indexer_topk",
          .recognises = [](const CaptureStart& start) { return start.json_key.ends_with("meta_info"); },
          .open = open_sglang,
          .ids = IdClaim::automatic,
          .json_key = "meta_info",
          .inner_json_key = "choices[].meta_info"};
}

}  // namespace dsasim
