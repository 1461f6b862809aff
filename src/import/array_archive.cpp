// One request as named arrays: the bench tools of several SGLang forks save it with numpy.savez. Which fork is seen
// from the name of the array of ids:
//
//   topk_indices        (steps, layers, top-k); scalars prompt_len, output_len (= steps), slot_ctx0
//   indexer_topk_flat   the same without its shape, which num_layers and index_topk tell
//   topk_index          (rows, layers, top-k); scalars prompt_tokens, completion_tokens; see decode_rows.hpp
//   any other name      the only array of three dimensions, or else the only array that is no scalar named above
//
// With an array accepted, a number for each step, topk_indices may be (steps, queries, layers, top-k): the step's
// context grows by so many tokens. A step has as many queries as the array queries says, or else up to the last that
// selects or is accepted. kv_owners says for each layer the layer whose KV store it reads.
//
// Each may have any of the scalars, and start, the position of row 0's query; topk_scores, float16 of the same shape;
// and what our own export adds so that nothing of a trace is lost: model_layers, group_sizes, kv_rows, kv_unit_tokens
// and kv_entry_bytes, a number for each layer; scalars start_step, unit_tokens, page_tokens, entry_bytes and
// ids_are_slots. What else an archive holds is told to the user.
#include "array_archive.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <string>

namespace dsasim {
namespace {

constexpr std::array<std::string_view, 3> id_keys{"topk_indices", "indexer_topk_flat", "topk_index"};
constexpr std::array<std::string_view, 22> other_keys{
    "prompt_len",  "output_len",  "slot_ctx0",      "prompt_tokens",  "completion_tokens", "start",
    "num_layers",  "index_topk",  "topk_scores",    "model_layers",   "group_sizes",       "start_step",
    "unit_tokens", "page_tokens", "entry_bytes",    "ids_are_slots",  "accepted",          "queries",
    "kv_owners",   "kv_rows",     "kv_unit_tokens", "kv_entry_bytes",
};

template <std::size_t Size>
bool contains(const std::array<std::string_view, Size>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// What is asked of an archive's arrays.
class Arrays {
 public:
  explicit Arrays(const ArrayArchive& archive) : archive_(archive) {
    for (const ArrayArchive::Member& member : archive.members()) {
      if (!member.key.empty()) {
        keys_.insert(member.key);
      }
    }
    if (keys_.empty()) {
      throw TraceError(name(), "has {} members, none of them an array", archive_.members().size());
    }
  }

  const std::string& name() const noexcept { return archive_.name(); }
  bool has(std::string_view key) const { return keys_.contains(key); }
  std::vector<std::string> keys() const { return {keys_.begin(), keys_.end()}; }

  /// Members that are neither of these keys nor asked for by name.
  std::vector<std::string> unread(std::string_view ids_key) const {
    std::vector<std::string> out;
    for (const ArrayArchive::Member& member : archive_.members()) {
      if (member.key.empty() || (member.key != ids_key && !contains(other_keys, member.key))) {
        out.push_back(printable(member.name));
      }
    }
    return out;
  }

  std::unique_ptr<NpyReader> open(std::string_view key) const { return archive_.open(key); }

  /// As many integers as the array has to have, each from `least` to `most`.
  std::vector<std::uint32_t> numbers(std::string_view key, std::uint64_t count, std::int64_t least, std::int64_t most,
                                     std::string_view noun = "layers") const {
    const std::unique_ptr<NpyReader> array = open(key);
    if (array->elements() != count) {
      throw TraceError(array->name(), "shape {} has {} elements, expected one for each of {} {}",
                       array->header().shape_text(), array->elements(), count, noun);
    }
    array->require_integers();
    std::vector<std::int64_t> values(count);
    array->read(values);
    std::vector<std::uint32_t> out;
    for (const std::int64_t number : values) {
      if (number < least || number > most) {
        throw TraceError(array->name(), "has {}, expected numbers from {} to {}", number, least, most);
      }
      out.push_back(static_cast<std::uint32_t>(number));
    }
    return out;
  }

  /// A number that has to be from `least` to `most`.
  template <class T>
  std::optional<T> number(std::string_view key, std::uint64_t least, std::uint64_t most) const {
    const std::optional<std::uint64_t> found = number(key);
    if (found && (*found < least || *found > most)) {
      throw TraceError(name(), "{} is {}, expected a number from {} to {}", key, *found, least, most);
    }
    return found ? std::optional<T>(static_cast<T>(*found)) : std::nullopt;
  }

  /// A number: an integer array of no dimensions, or of one element, or what stands beside the arrays.
  std::optional<std::uint64_t> number(std::string_view key) const {
    if (!has(key)) {
      return archive_.metadata(key);
    }
    const std::unique_ptr<NpyReader> array = open(key);
    if (array->elements() != 1) {
      throw TraceError(array->name(), "shape {} has {} elements, expected one number", array->header().shape_text(),
                       array->elements());
    }
    array->require_integers();
    std::int64_t out = 0;
    array->read(std::span(&out, 1));
    if (out < 0) {
      throw TraceError(array->name(), "is {}, expected 0 or more", out);
    }
    return static_cast<std::uint64_t>(out);
  }

 private:
  const ArrayArchive& archive_;
  std::set<std::string, std::less<>> keys_;
};

std::string list_shapes(const Arrays& arrays, const std::vector<std::string>& keys) {
  constexpr std::size_t most_listed = 8;
  std::vector<std::string> out;
  for (const std::string& key : keys) {
    if (out.size() == most_listed) {
      out.push_back(fmt::format("{} more", keys.size() - most_listed));
      break;
    }
    out.push_back(fmt::format("{} {}", printable(key), arrays.open(key)->header().shape_text()));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

/// The array of ids in an archive of no known fork.
std::string find_anonymous_ids(const Arrays& arrays) {
  std::vector<std::string> three_dimensional;
  std::vector<std::string> any;
  for (const std::string& key : arrays.keys()) {
    if (!contains(other_keys, key)) {
      any.push_back(key);
      if (arrays.open(key)->header().shape.size() == 3) {
        three_dimensional.push_back(key);
      }
    }
  }
  const std::vector<std::string>& candidates = three_dimensional.empty() ? any : three_dimensional;
  if (candidates.size() != 1) {
    throw TraceError(arrays.name(), "has no array named {}, and {} {}; expected one: {}", fmt::join(id_keys, ", "),
                     candidates.size(), three_dimensional.empty() ? "others" : "of three dimensions",
                     list_shapes(arrays, candidates.empty() ? arrays.keys() : candidates));
  }
  return candidates.front();
}

std::string find_ids(const Arrays& arrays) {
  std::vector<std::string> found;
  for (const std::string_view key : id_keys) {
    if (arrays.has(key)) {
      found.emplace_back(key);
    }
  }
  if (found.size() > 1) {
    throw TraceError(arrays.name(), "has {}; expected one array of ids", fmt::join(found, " and "));
  }
  return found.empty() ? find_anonymous_ids(arrays) : found.front();
}

std::optional<std::uint64_t> recorded_prompt(const Arrays& arrays) {
  const std::optional<std::uint64_t> tokens = arrays.number("prompt_tokens");
  const std::optional<std::uint64_t> length = arrays.number("prompt_len");
  if (tokens && length && *tokens != *length) {
    throw TraceError(arrays.name(), "prompt_len is {}, prompt_tokens is {}", *length, *tokens);
  }
  return length ? length : tokens;
}

/// The length of the prompt in tokens, if the capture knows it.
///
/// slot_ctx0 is the context a request starts to decode with, and no file says in what unit: tokens in some captures,
/// compressed entries (unit_tokens of them one) in others. Beside a prompt length it is therefore checked against
/// both. Alone it is the prompt length if the two units are the same; otherwise guessing would scale every context by
/// unit_tokens, and the user has to say.
std::optional<std::uint64_t> prompt_of(const Arrays& arrays, const ImportOptions& options) {
  const std::optional<std::uint64_t> recorded = recorded_prompt(arrays);
  const std::optional<std::uint64_t> known = recorded ? recorded : options.prompt_tokens;
  const std::optional<std::uint64_t> context = arrays.number("slot_ctx0");
  const std::uint64_t unit_tokens = arrays.number<std::uint32_t>("unit_tokens", 1, TraceHeader::max_unit_tokens)
                                        .value_or(options.unit_tokens.value_or(1));
  if (!context) {
    return recorded;
  }
  if (known) {
    if (*context != *known && *context != *known / unit_tokens) {
      throw TraceError(arrays.name(), "slot_ctx0 is {}, {} is {}", *context,
                       !recorded                  ? "`prompt_len`"
                       : arrays.has("prompt_len") ? "prompt_len"
                                                  : "prompt_tokens",
                       *known);
    }
    return recorded;
  }
  if (unit_tokens != 1) {
    throw TraceError(arrays.name(),
                     "has no prompt_len; slot_ctx0 is {}, which may count tokens or entries of {}: give `prompt_len`",
                     *context, unit_tokens);
  }
  return context;
}

/// Which rows are decode steps. `prompt` by the archive or by the user.
///
/// An array of steps has as many rows as output_len says, or C - 1 or C of C completion_tokens. topk_index, and what
/// has no name and completion_tokens beside it, has the rows of queries.
DecodeRows rows_of(const Arrays& arrays, const std::string& key, const NpyReader& ids, std::uint64_t rows,
                   std::optional<std::uint64_t> prompt, const ImportOptions& options) {
  const std::optional<std::uint64_t> completion = arrays.number("completion_tokens");
  const std::optional<std::uint64_t> start = start_of_rows(ids.name(), arrays.number("start"), options, prompt);
  const bool are_steps = key == id_keys[0] || key == id_keys[1];
  if (key == "topk_index" && !completion) {
    throw TraceError(arrays.name(), "has topk_index but no completion_tokens, which tells its decode rows");
  }
  if (!completion || (are_steps && !start && (rows == *completion || rows + 1 == *completion))) {
    return steps_from(ids.name(), rows, prompt, start);
  }
  if (!prompt) {
    throw TraceError(arrays.name(), "has {} but no prompt_tokens; give `prompt_len`", printable(key));
  }
  const std::optional<DecodeRows> found = decode_rows(rows, *prompt, *completion, start);
  if (!found) {
    throw TraceError(ids.name(), "shape {} has {} rows; {}", ids.header().shape_text(), rows,
                     rows_hint(rows, *prompt, *completion, start));
  }
  return *found;
}

/// Whether output_len agrees: with the steps, or, where the rows are those of queries, with the tokens.
void require_output(const Arrays& arrays, const std::string& key, const DecodeRows& rows) {
  const std::optional<std::uint64_t> output = arrays.number("output_len");
  const bool are_queries = arrays.has("completion_tokens");
  if (output && *output != rows.steps && !(are_queries && *output == rows.steps + 1)) {
    throw TraceError(arrays.name(), "output_len is {} but {} has {} steps", *output, printable(key), rows.steps);
  }
}

/// Which layers of the model these are, and how many use each selection; empty if the archive has neither.
std::vector<LayerInfo> layer_infos(const Arrays& arrays, std::uint32_t layers) {
  std::vector<LayerInfo> infos;
  if (!arrays.has("model_layers") && !arrays.has("group_sizes")) {
    return infos;
  }
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    infos.push_back({.model_layer = layer, .group_size = 1});
  }
  if (arrays.has("model_layers")) {
    const std::vector<std::uint32_t> found = arrays.numbers("model_layers", layers, 0, TraceHeader::max_layers - 1);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      if (layer > 0 && found[layer] < found[layer - 1]) {  // heads of one layer are layers of a trace
        throw TraceError(arrays.name(), "model_layers has {} after {}, expected ascending numbers", found[layer],
                         found[layer - 1]);
      }
      infos[layer].model_layer = found[layer];
    }
  }
  if (arrays.has("group_sizes")) {
    const std::vector<std::uint32_t> found = arrays.numbers("group_sizes", layers, 1, TraceHeader::max_layers);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      infos[layer].group_size = found[layer];
    }
  }
  return infos;
}

CaptureEntries entries_of(const Arrays& arrays) {
  CaptureEntries entries{
      .unit_tokens = arrays.number<std::uint32_t>("unit_tokens", 1, TraceHeader::max_unit_tokens),
      .page_tokens = arrays.number<std::uint32_t>("page_tokens", 1, TraceHeader::max_page_tokens),
      .entry_bytes = arrays.number<std::uint64_t>("entry_bytes", 1, TraceHeader::max_entry_bytes),
  };
  if (const auto slots = arrays.number<std::uint32_t>("ids_are_slots", 0, 1)) {
    entries.kind = *slots == 1 ? IdKind::physical : IdKind::logical;
  }
  return entries;
}

/// Which store each layer reads; empty if the archive does not say.
std::vector<StoreInfo> stores_of(const Arrays& arrays, std::uint32_t layers) {
  std::vector<StoreInfo> stores;
  if (!arrays.has("kv_owners")) {
    return stores;
  }
  for (const std::uint32_t owner : arrays.numbers("kv_owners", layers, 0, std::int64_t{layers} - 1)) {
    stores.push_back({.kv_owner = owner, .kv_rows = 0, .unit_tokens = 0, .entry_bytes = 0});
  }
  const auto fill = [&](std::string_view key, std::int64_t most, auto field) {
    if (arrays.has(key)) {
      const std::vector<std::uint32_t> found = arrays.numbers(key, layers, 0, most);
      for (std::uint32_t layer = 0; layer < layers; ++layer) {
        stores[layer].*field = found[layer];
      }
    }
  };
  fill("kv_rows", TraceHeader::max_layers, &StoreInfo::kv_rows);
  fill("kv_unit_tokens", TraceHeader::max_unit_tokens, &StoreInfo::unit_tokens);
  fill("kv_entry_bytes", std::int64_t{TraceHeader::max_entry_bytes}, &StoreInfo::entry_bytes);
  return stores;
}

/// What the archive says of each row; nothing if each is a query that is accepted.
std::vector<ArrayStep> steps_of(const Arrays& arrays, const ArrayShape& array) {
  std::vector<ArrayStep> steps;
  if (!arrays.has("accepted")) {
    if (arrays.has("queries")) {
      throw TraceError(arrays.name(), "has queries and no accepted, which says by how many tokens the context grows");
    }
    return steps;
  }
  for (const std::uint32_t accepted : arrays.numbers("accepted", array.rows, 0, array.queries, "steps")) {
    steps.push_back({.queries = std::nullopt, .accepted = accepted});
  }
  if (arrays.has("queries")) {
    const std::vector<std::uint32_t> queries = arrays.numbers("queries", array.rows, 0, array.queries, "steps");
    for (std::size_t row = 0; row < steps.size(); ++row) {
      steps[row].queries = queries[row];
      if (queries[row] < steps[row].accepted) {
        throw TraceError(arrays.name(), "step {} has {} queries, of which {} are accepted", row, queries[row],
                         steps[row].accepted);
      }
    }
  }
  const bool single = array.queries == 1 && std::ranges::all_of(steps, [](const ArrayStep& step) {
                        return step.accepted == 1 && step.queries.value_or(1) == 1;
                      });
  if (single) {
    steps.clear();
  }
  return steps;
}

}  // namespace

RequestArrays open_archive(const ArrayArchive& archive, const ImportOptions& options) {
  const Arrays arrays(archive);
  const std::string key = find_ids(arrays);
  std::unique_ptr<NpyReader> ids = arrays.open(key);
  ids->require_integers();

  ArrayClaims claims = claims_of(options);
  claims.has_queries = arrays.has("accepted");
  if (const auto layers = arrays.number("num_layers")) {
    claims.layers.insert(claims.layers.begin(), {.by = "num_layers", .value = *layers});
  }
  if (const auto top_k = arrays.number("index_topk")) {
    claims.top_k.insert(claims.top_k.begin(), {.by = "index_topk", .value = *top_k});
  }
  const ArrayShape array = array_shape(*ids, claims);
  const std::optional<std::uint64_t> prompt = prompt_of(arrays, options);
  const DecodeRows rows = rows_of(arrays, key, *ids, array.rows, prompt ? prompt : options.prompt_tokens, options);
  require_output(arrays, key, rows);
  std::unique_ptr<NpyReader> scores = arrays.has("topk_scores") ? arrays.open("topk_scores") : nullptr;
  CaptureShape shape = capture_shape(*ids, scores.get(), array, rows, prompt);
  shape.layer_infos = layer_infos(arrays, shape.layers);
  shape.says_owners = !shape.layer_infos.empty();
  shape.start_step =
      arrays.number<std::uint32_t>("start_step", 0, std::numeric_limits<std::uint32_t>::max()).value_or(0);
  shape.entries = entries_of(arrays);
  shape.stores = stores_of(arrays, shape.layers);
  std::vector<ArrayStep> steps = steps_of(arrays, array);
  shape.has_queries = !steps.empty();
  if (shape.has_queries && (rows.first > 0 || rows.steps != array.rows)) {
    throw TraceError(arrays.name(), "has accepted, and its rows begin in the prompt; not supported");
  }
  take_heads(shape, options);
  return {.ids = std::move(ids),
          .scores = std::move(scores),
          .shape = shape,
          .unread = arrays.unread(key),
          .queries = array.queries,
          .steps = std::move(steps)};
}

}  // namespace dsasim
