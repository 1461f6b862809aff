// Format "sglang": responses of SGLang's /generate with "return_indexer_topk": true, as a client saves them: one JSON
// object, a list of them, or one after another (JSON lines), or streams of server-sent events. Of each, meta_info (that
// of each choice, where the response is one of the chat endpoint's) has
//
//   indexer_topk             base64 of int32, little-endian, (rows, layers, top-k) in C order, and nothing of its
//   shape;
//                            or {"data": that, "shape": [rows, layers, top-k], "start": the position of row 0's query}
//   indexer_topk_num_layers  layers, in one branch
//   indexer_topk_start_len   the position of row 0's query, where a cached prefix of the prompt has no rows
//   prompt_tokens, completion_tokens
//   finish_reason            {"type": "abort"} of a request that was aborted
//
// The chat endpoint has the first three in sglext, of the response or of a choice, too, and the tokens in usage. Events
// up to "[DONE]" are one response.
//
// Which rows are decode steps: decode_rows.hpp. docs/formats.md has the traps.
#include "array_source.hpp"
#include "base64_field.hpp"
#include "decode_rows.hpp"
#include "dsasim/error.hpp"
#include "formats.hpp"
#include "response.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>

namespace dsasim {
namespace {

constexpr std::uint64_t id_bytes = 4;

/// What a response says of its array.
struct Response {
  std::optional<std::uint64_t> bytes;
  std::uint64_t string = 0;
  std::string_view place = "meta_info";  ///< of the array
  std::optional<std::vector<std::int64_t>> shape;
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
  /// The shape that stands beside the bytes.
  std::vector<std::uint64_t> said_shape(std::uint64_t ids) const {
    const std::vector<std::int64_t>& said = *response_.shape;
    std::vector<std::uint64_t> shape;
    std::uint64_t product = 1;
    for (const std::int64_t length : said) {
      if (length < 1 || static_cast<std::uint64_t>(length) > ids / product) {
        product = 0;
        break;
      }
      shape.push_back(static_cast<std::uint64_t>(length));
      product *= shape.back();
    }
    if (said.size() != 3 || product != ids) {
      throw TraceError(where_, "has {} ids, its shape is ({}), expected (rows, layers, top-k)", ids,
                       fmt::join(said, ", "));
    }
    return shape;
  }

  NpyHeader header() const {
    const NpyType int32{.kind = 'i', .size = id_bytes, .big_endian = false, .descr = "<i4"};
    if (response_.shape) {
      return {.type = int32, .fortran_order = false, .shape = said_shape(*response_.bytes / id_bytes)};
    }
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
    return {.type = int32, .fortran_order = false, .shape = {ids / (layers * top_k), layers, top_k}};
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

/// Where a response has the parts of an array.
struct Place {
  JsonFields::Path path;
  std::string_view name;
  bool in_choice;
};
const std::array places = {
    Place{.path = {"meta_info"}, .name = "meta_info", .in_choice = false},
    Place{.path = {"choices", "[]", "meta_info"}, .name = "meta_info", .in_choice = true},
    Place{.path = {"sglext"}, .name = "sglext", .in_choice = false},
    Place{.path = {"choices", "[]", "sglext"}, .name = "sglext", .in_choice = true},
};

enum Part : std::uint8_t { topk, data, shape, data_start, layers, start, prompt, completion, finish, part_count };
constexpr std::string_view topk_key = "indexer_topk";
const std::array<JsonFields::Path, part_count> parts = {
    JsonFields::Path{topk_key},
    JsonFields::Path{topk_key, "data"},
    JsonFields::Path{topk_key, "shape"},
    JsonFields::Path{topk_key, "start"},
    JsonFields::Path{"indexer_topk_num_layers"},
    JsonFields::Path{"indexer_topk_start_len"},
    JsonFields::Path{"prompt_tokens"},
    JsonFields::Path{"completion_tokens"},
    JsonFields::Path{"finish_reason", "type"},
};
/// Behind the parts of all places.
enum Other : std::uint8_t { usage_prompt, usage_completion, events_done };

JsonFields::Path path_of(JsonFields::Path place, const JsonFields::Path& rest) {
  place.insert(place.end(), rest.begin(), rest.end());
  return place;
}

std::vector<JsonFields::Path> fields() {
  std::vector<JsonFields::Path> out;
  for (const Place& place : places) {
    for (const JsonFields::Path& part : parts) {
      out.push_back(path_of(place.path, part));
    }
  }
  out.push_back({"usage", "prompt_tokens"});
  out.push_back({"usage", "completion_tokens"});
  out.push_back({events_end_key});
  return out;
}

/// Where the arrays are.
std::vector<JsonFields::Path> array_fields() {
  std::vector<JsonFields::Path> out;
  for (const Place& place : places) {
    out.push_back(path_of(place.path, parts[topk]));
    out.push_back(path_of(place.path, parts[data]));
  }
  return out;
}

/// Reads the responses of a file one after the other.
class Scan {
 public:
  Scan(const std::filesystem::path& path, const ImportOptions& options)
      : path_(path),
        options_(options),
        json_(path, fields()),
        list_(path, options.skip_bad),
        has_events_(holds_events(path)) {}

  std::unique_ptr<CaptureFile> file() {
    for (auto event = json_.next(); event != JsonFields::Event::end; event = json_.next()) {
      if (event == JsonFields::Event::field) {
        read_field();
        continue;
      }
      is_open_ = true;
      if (!has_events_ || is_done_) {
        finish_response();
      }
    }
    if (is_open_) {
      finish_response();
    }
    return std::move(list_).file(array_fields(), json_.unread());
  }

 private:
  /// What a document says besides its arrays.
  struct Usage {
    std::optional<std::uint64_t> prompt, completion;
  };

  void read_field() {
    const std::size_t place = json_.field() / part_count;
    if (place >= places.size()) {
      read_other(static_cast<Other>(json_.field() - places.size() * part_count));
      return;
    }
    Response& response = here(places.at(place));
    if (json_.kind() == JsonKind::null) {
      return;
    }
    switch (static_cast<Part>(json_.field() % part_count)) {
      case topk:
      case data:
        read_array(response, places.at(place));
        return;
      case shape:
        require_first(json_, response.shape.has_value());
        json_.integers(response.shape.emplace());
        return;
      case finish:
        if (json_.kind() == JsonKind::string) {
          response.finish = json_.text(most_text);
        }
        return;
      case data_start:
      case start:
        read_number(response.start);
        return;
      case layers:
        read_number(response.layers);
        return;
      case prompt:
        read_number(response.prompt);
        return;
      default:
        read_number(response.completion);
    }
  }

  void read_other(Other other) {
    if (other == events_done) {
      is_done_ = has_events_;
    } else if (json_.kind() != JsonKind::null) {
      read_number(other == usage_prompt ? usage_.prompt : usage_.completion);
    }
  }

  /// The response that the field stands in.
  Response& here(const Place& place) {
    constexpr std::uint64_t most_choices = std::uint64_t{1} << 16U;
    if (!place.in_choice) {
      return whole_;
    }
    const std::uint64_t choice = json_.element();
    if (choice >= most_choices) {
      throw TraceError(json_.place(), "response {} has more than {} choices", responses_, most_choices);
    }
    choices_.resize(std::max<std::size_t>(choices_.size(), choice + 1));
    return choices_[choice];
  }

  void read_array(Response& response, const Place& place) {
    if (has_events_ && response.bytes) {
      throw TraceError(json_.place(), "{} is in two events of response {}; expected it once, in the last",
                       json_.field_name(), responses_);
    }
    require_first(json_, response.bytes.has_value());
    json_.require(JsonKind::string);
    response.place = place.name;
    response.string = strings_++;
    response.bytes = measure_base64(json_, where(response, place.in_choice ? json_.element() : no_choice),
                                    /*start_bytes=*/0)
                         .bytes;
  }

  std::string where(const Response& response, std::uint64_t choice) const {
    return fmt::format("{}: response {}, {}{}.indexer_topk", path_.string(), responses_,
                       choice == no_choice ? "" : fmt::format("choice {}, ", choice), response.place);
  }

  void read_number(std::optional<std::uint64_t>& number) {
    require_first(json_, number.has_value() && !has_events_);  // events say it again
    constexpr std::uint64_t most = max_entry_ids;              // no capture is near, and sums of them do not wrap
    number = json_.unsigned_number();
    if (*number > most) {
      throw TraceError(json_.place(), "{} is {}, expected at most {}", json_.field_name(), *number, most);
    }
  }

  void finish_response() {
    const bool has_array =
        std::any_of(choices_.begin(), choices_.end(), [](const Response& choice) { return choice.bytes.has_value(); });
    if (whole_.bytes && has_array) {
      throw TraceError(json_.place(), "response {} has indexer_topk of its own and in a choice", responses_);
    }
    if (whole_.bytes || choices_.empty()) {
      if (choices_.size() == 1) {
        take_missing(whole_, choices_.front().prompt, choices_.front().completion);
      }
      take_missing(whole_, usage_.prompt, usage_.completion);
      add(whole_, no_choice);
    } else {
      for (std::size_t choice = 0; choice < choices_.size(); ++choice) {
        take_missing(choices_[choice], usage_.prompt,
                     choices_.size() == 1 ? usage_.completion : std::optional<std::uint64_t>());
        add(choices_[choice], choice);
      }
    }
    choices_.clear();
    whole_ = {};
    usage_ = {};
    is_open_ = false;
    is_done_ = false;
    ++responses_;
  }

  static void take_missing(Response& response, std::optional<std::uint64_t> prompt_tokens,
                           std::optional<std::uint64_t> completion_tokens) {
    response.prompt = response.prompt ? response.prompt : prompt_tokens;
    response.completion = response.completion ? response.completion : completion_tokens;
  }

  void add(const Response& response, std::uint64_t choice) {
    list_.add([&] {
      require_array(response, choice);
      return Layout(where(response, choice), response, options_).array();
    });
  }

  void require_array(const Response& response, std::uint64_t choice) const {
    if (response.bytes.value_or(0) > 0) {
      return;
    }
    const std::string name =
        fmt::format("response {}{}", responses_, choice == no_choice ? "" : fmt::format(", choice {}", choice));
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
  static constexpr std::uint64_t no_choice = ~std::uint64_t{0};

  const std::filesystem::path& path_;
  const ImportOptions& options_;
  JsonFields json_;
  ResponseList list_;
  bool has_events_;
  Response whole_;                 ///< what stands in the response itself
  std::vector<Response> choices_;  ///< and in its choices
  Usage usage_;
  std::uint64_t responses_ = 0;  ///< finished
  std::uint64_t strings_ = 0;
  bool is_open_ = false;  ///< events of a response that is not finished
  bool is_done_ = false;  ///< its last event was seen
};

std::unique_ptr<CaptureFile> open_sglang(const std::filesystem::path& path, const ImportOptions& options) {
  return Scan(path, options).file();
}

}  // namespace

ImportFormat sglang_format() {
  static constexpr std::array<std::string_view, 3> inner_keys = {"choices[].meta_info", "sglext", "choices[].sglext"};
  return {.name = "sglang",
          .description = "responses of SGLang: JSON, a list, JSON lines, or server-sent events; meta_info.indexer_topk",
          .recognises = [](const CaptureStart& start) { return start.json_key == places.front().name; },
          .open = open_sglang,
          .ids = IdClaim::automatic,
          .json_key = "meta_info",
          .inner_json_keys = inner_keys};
}

}  // namespace dsasim
