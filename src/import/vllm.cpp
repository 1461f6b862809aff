// Format "vllm": responses of vLLM's completions with `indexer_topk` in each choice: one JSON object, a list of them,
// or one after another (JSON lines). Each choice is a request:
//
//   choices[].indexer_topk                 base64 of a .npy file: int32 (rows, layers with an indexer, top-k)
//   choices[].token_ids                    completion tokens, if they were asked for
//   choices[].prompt_token_ids, prompt_token_ids, usage.prompt_tokens    the first that there is
//   usage.completion_tokens                of all choices together
//   choices[].indexer_topk_prompt_start, indexer_topk_prompt_start    the position of row 0's query, if not 0
//   choices[].finish_reason                "abort" of a request that was aborted
//
// Which rows are decode steps: decode_rows.hpp. docs/formats.md has the traps.
#include "array_source.hpp"
#include "base64_field.hpp"
#include "decode_rows.hpp"
#include "dsasim/error.hpp"
#include "formats.hpp"
#include "response.hpp"

#include <fmt/format.h>

namespace dsasim {
namespace {

/// As much of an array as its .npy header may need: 64 KiB and what stands before it.
constexpr std::size_t header_bytes = (std::size_t{1} << 16U) + 12;

using Number = std::optional<std::uint64_t>;

struct Choice {
  std::optional<ResponseArray> array;
  ArrayShape rows;
  Number prompt, completion, start;
  std::optional<std::string> finish;
};

struct Response {
  std::vector<Choice> choices;
  Number prompt_ids, prompt, completion, start;
};

enum Field : std::uint8_t {
  topk,
  token_ids,
  choice_prompt_ids,
  choice_start,
  finish,
  prompt_ids,
  prompt_tokens,
  response_start,
  completion_tokens
};

const JsonFields::Path topk_path{"choices", "[]", "indexer_topk"};

std::vector<JsonFields::Path> fields() {
  return {topk_path,
          {"choices", "[]", "token_ids"},
          {"choices", "[]", "prompt_token_ids"},
          {"choices", "[]", "indexer_topk_prompt_start"},
          {"choices", "[]", "finish_reason"},
          {"prompt_token_ids"},
          {"usage", "prompt_tokens"},
          {"indexer_topk_prompt_start"},
          {"usage", "completion_tokens"}};
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
        finish_response();
      }
    }
    return std::move(list_).file({topk_path}, json_.unread());
  }

 private:
  void read_field() {
    if (json_.kind() == JsonKind::null) {
      if (json_.field() == topk) {
        choice();
      }
      return;
    }
    switch (json_.field()) {
      case topk:
        read_array();
        return;
      case token_ids:
        count(choice().completion);
        return;
      case choice_prompt_ids:
        count(choice().prompt);
        return;
      case choice_start:
        number(choice().start);
        return;
      case finish:
        if (json_.kind() == JsonKind::string) {
          choice().finish = json_.text(most_text);
        }
        return;
      case response_start:
        number(response_.start);
        return;
      case prompt_ids:
        count(response_.prompt_ids);
        return;
      case prompt_tokens:
        number(response_.prompt);
        return;
      default:
        number(response_.completion);
    }
  }

  /// The choice that the field stands in.
  Choice& choice() {
    constexpr std::uint64_t most_choices = std::uint64_t{1} << 16U;
    if (json_.element() >= most_choices) {
      throw TraceError(json_.place(), "response {} has more than {} choices", json_.documents() - 1, most_choices);
    }
    response_.choices.resize(std::max<std::size_t>(response_.choices.size(), json_.element() + 1));
    return response_.choices[json_.element()];
  }

  void count(Number& out) {
    require_first(json_, out.has_value());
    out = json_.count_numbers();
  }
  void number(Number& out) {
    require_first(json_, out.has_value());
    out = json_.unsigned_number();
  }

  void read_array() {
    require_first(json_, choice().array.has_value());
    json_.require(JsonKind::string);
    std::string where =
        fmt::format("{}: response {}, choice {}, indexer_topk", path_.string(), json_.documents() - 1, json_.element());
    Base64Field field = measure_base64(json_, where, header_bytes);
    NpyReader ids(open_start(std::move(field.start), where, field.bytes));
    ids.require_integers();
    choice().rows = array_shape(ids, claims_of(options_));
    choice().array = ResponseArray{
        .where = std::move(where), .string = strings_++, .bytes = field.bytes, .header = std::nullopt, .shape = {}};
  }

  void finish_response() {
    response_.choices.resize(std::max<std::size_t>(response_.choices.size(), 1));
    std::uint64_t generated = 0;
    std::size_t usable = 0;
    for (std::size_t i = 0; i < response_.choices.size(); ++i) {
      list_.add([&] {
        Choice& choice = response_.choices[i];
        require_array(choice, i);
        finish_choice(choice);
        generated += choice.array->shape.steps + 1;
        ++usable;
        return std::move(*choice.array);
      });
    }
    // Each choice may have a row at the stop's edge, which its rows alone do not tell.
    const bool alone = response_.choices.size() == 1;
    if (usable == response_.choices.size() && !alone && response_.completion &&
        (generated < *response_.completion || generated - *response_.completion > response_.choices.size())) {
      throw TraceError(
          json_.place(),
          "the {} choices of response {} have rows for {} completion tokens, usage.completion_tokens is {}; "
          "are they answers to one prompt?",
          response_.choices.size(), json_.documents() - 1, generated, *response_.completion);
    }
    response_ = {};
  }

  void require_array(const Choice& choice, std::size_t index) const {
    if (!choice.array) {
      throw TraceError(json_.place(), "response {} has no indexer_topk in choice {}{}{}", json_.documents() - 1, index,
                       choice.finish == "abort" ? ", which was aborted" : "", skip_bad_hint(options_));
    }
  }

  void finish_choice(Choice& choice) const {
    ResponseArray& array = *choice.array;
    const Number recorded = choice.prompt          ? choice.prompt
                            : response_.prompt_ids ? response_.prompt_ids
                                                   : response_.prompt;
    require_one_prompt(array.where, choice);
    const Number prompt = recorded ? recorded : options_.prompt_tokens;
    if (!prompt) {
      throw TraceError(array.where, "has no usage.prompt_tokens beside it; give `prompt_len`");
    }
    Number completion = choice.completion;
    if (!completion && response_.choices.size() == 1) {
      completion = response_.completion;
    }
    const Number start = start_of_rows(array.where, choice.start ? choice.start : response_.start, options_, prompt);
    array.shape = shape_of(choice, *prompt, completion, start);
    array.shape.prompt_tokens = recorded;
  }

  /// usage counts the prompts of all choices, which need not be one.
  void require_one_prompt(const std::string& where, const Choice& choice) const {
    const Number ids = choice.prompt ? choice.prompt : response_.prompt_ids;
    if (response_.choices.size() == 1 && ids && response_.prompt && *ids != *response_.prompt) {
      throw TraceError(where, "has {} prompt_token_ids beside it, usage.prompt_tokens is {}", *ids, *response_.prompt);
    }
  }

  CaptureShape shape_of(const Choice& choice, std::uint64_t prompt, Number completion, Number start) const {
    const std::uint64_t rows = choice.rows.rows;
    DecodeRows found = rows_after_prompt(rows, prompt, start);
    if (completion) {
      const std::optional<DecodeRows> known = decode_rows(rows, prompt, *completion, start);
      if (!known) {
        throw TraceError(choice.array->where, "has {} rows, {}", rows, rows_hint(rows, prompt, *completion, start));
      }
      found = *known;
    }
    if (found.steps == 0) {
      throw TraceError(choice.array->where, "has {} rows for {} prompt tokens, and no decode steps{}", rows, prompt,
                       skip_bad_hint(options_));
    }
    return {.steps = found.steps,
            .layers = choice.rows.layers,
            .top_k = choice.rows.top_k,
            .prompt_tokens = {},
            .has_scores = false,
            .first_row = found.first,
            .may_start_early = found.may_start_early};
  }

  static constexpr std::size_t most_text = 64;

  const std::filesystem::path& path_;
  const ImportOptions& options_;
  JsonFields json_;
  ResponseList list_;
  Response response_;
  std::uint64_t strings_ = 0;
};

std::unique_ptr<CaptureFile> open_vllm(const std::filesystem::path& path, const ImportOptions& options) {
  if (holds_events(path)) {
    throw TraceError(path.string(),
                     "holds server-sent events, which are read as SGLang sends them; expected responses");
  }
  return Scan(path, options).file();
}

}  // namespace

ImportFormat vllm_format() {
  return {.name = "vllm",
          .description = "responses of vLLM: JSON, a list, or JSON lines; .npy in base64 in choices[].indexer_topk",
          .recognises = [](const CaptureStart& start) { return start.json_key == "choices"; },
          .open = open_vllm,
          .json_key = "choices"};
}

}  // namespace dsasim
