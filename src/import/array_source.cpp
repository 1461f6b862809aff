#include "array_source.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>

namespace dsasim {
namespace {

/// A step is held in memory, so that its size is bounded: 134 times a step of DeepSeek-V3.2.
constexpr std::uint64_t most_ids_of_a_step = std::uint64_t{1} << 24U;

void require_claims(const NpyReader& ids, std::uint64_t found, std::string_view noun,
                    const std::vector<Claim>& claims) {
  for (const Claim& claim : claims) {
    if (claim.value != found) {
      throw TraceError(ids.name(), "shape {} has {} {}, {} says {}", ids.header().shape_text(), found, noun, claim.by,
                       claim.value);
    }
  }
}

/// The number to divide by: all claims of it must agree.
std::uint64_t agreed(const NpyReader& ids, const std::vector<Claim>& claims) {
  const Claim& first = claims.front();
  for (const Claim& claim : claims) {
    if (claim.value == 0 || claim.value > most_ids_of_a_step) {
      throw TraceError(ids.name(), "{} says {}, expected 1 to {}", claim.by, claim.value, most_ids_of_a_step);
    }
    if (claim.value != first.value) {
      throw TraceError(ids.name(), "{} says {}, {} says {}", first.by, first.value, claim.by, claim.value);
    }
  }
  return first.value;
}

struct Dimensions {
  std::uint64_t rows, layers, top_k;
  std::uint64_t queries = 1;
};

[[noreturn]] void fail_dimensions(const NpyReader& ids, std::string_view hint) {
  throw TraceError(ids.name(), "shape {} has {} {}, expected (steps, layers, top-k){}", ids.header().shape_text(),
                   ids.header().shape.size(), ids.header().shape.size() == 1 ? "dimension" : "dimensions", hint);
}

Dimensions split_rows(const NpyReader& ids, const ArrayClaims& claims) {
  const std::vector<std::uint64_t>& shape = ids.header().shape;
  if (claims.layers.empty()) {
    fail_dimensions(ids, "; to split its rows, give `layers`");
  }
  const std::uint64_t layers = agreed(ids, claims.layers);
  if (shape[1] % layers != 0) {
    throw TraceError(ids.name(), "shape {} has rows of {} ids, which are no multiple of the {} layers of {}",
                     ids.header().shape_text(), shape[1], layers, claims.layers.front().by);
  }
  return {.rows = shape[0], .layers = layers, .top_k = shape[1] / layers};
}

Dimensions split_flat(const NpyReader& ids, const ArrayClaims& claims) {
  if (claims.layers.empty() || claims.top_k.empty()) {
    fail_dimensions(ids, "; to split it, give `layers` and `top_k`");
  }
  const std::uint64_t layers = agreed(ids, claims.layers);
  const std::uint64_t top_k = agreed(ids, claims.top_k);
  if (ids.elements() % (layers * top_k) != 0) {
    throw TraceError(ids.name(), "shape {} is no multiple of {} layers ({}) x {} ids ({})", ids.header().shape_text(),
                     layers, claims.layers.front().by, top_k, claims.top_k.front().by);
  }
  return {.rows = ids.elements() / (layers * top_k), .layers = layers, .top_k = top_k};
}

/// Two meanings, and nothing in the numbers says which.
Dimensions four_dimensions(const NpyReader& ids, const ArrayClaims& claims) {
  const std::vector<std::uint64_t>& shape = ids.header().shape;
  const auto is_small = [](std::uint64_t size) { return size > 0 && size <= most_ids_of_a_step; };
  if (!is_small(shape[1]) || !is_small(shape[2])) {
    throw TraceError(ids.name(), "shape {} has {} x {} selections a step", ids.header().shape_text(), shape[1],
                     shape[2]);
  }
  if (claims.has_queries) {
    return {.rows = shape[0], .layers = shape[2], .top_k = shape[3], .queries = shape[1]};
  }
  if (!claims.heads) {
    throw TraceError(
        ids.name(),
        "shape {} is (steps, queries, layers, top-k) or (steps, layers, heads, top-k); an array `accepted` "
        "beside it says the first, `heads` {} the second",
        ids.header().shape_text(), shape[2]);
  }
  if (*claims.heads != shape[2]) {
    throw TraceError(ids.name(), "shape {} has {} heads, `heads` says {}", ids.header().shape_text(), shape[2],
                     *claims.heads);
  }
  return {.rows = shape[0], .layers = shape[1] * shape[2], .top_k = shape[3]};
}

Dimensions dimensions(const NpyReader& ids, const ArrayClaims& claims) {
  if (claims.heads && (claims.has_queries || ids.header().shape.size() != 4)) {
    throw TraceError(ids.name(), "shape {}{}: `heads` is for (steps, layers, heads, top-k)", ids.header().shape_text(),
                     claims.has_queries ? " has queries" : "");
  }
  const std::vector<std::uint64_t>& shape = ids.header().shape;
  switch (shape.size()) {
    case 1:
      return split_flat(ids, claims);
    case 2:
      return split_rows(ids, claims);
    case 3:
      return {.rows = shape[0], .layers = shape[1], .top_k = shape[2]};
    case 4:
      return four_dimensions(ids, claims);
    default:
      fail_dimensions(ids, "");
  }
}

class ArraySource final : public CaptureSource {
 public:
  explicit ArraySource(RequestArrays arrays)
      : ids_(std::move(arrays.ids)),
        scores_(std::move(arrays.scores)),
        query_ids_(std::size_t{arrays.shape.layers} * arrays.shape.top_k),
        step_ids_(query_ids_ * arrays.queries),
        to_skip_(arrays.shape.first_row * step_ids_),
        steps_(std::move(arrays.steps)) {}

  void read_step(CaptureStep& step) override {
    if (to_skip_ > 0) {
      skip();
    }
    step.request = 0;
    step.ids.resize(step_ids_);
    ids_->read(std::span(step.ids));
    step.scores.resize(scores_ ? step_ids_ : 0);
    if (scores_) {
      scores_->read(std::span(step.scores));
    }
    if (!steps_.empty()) {
      take_queries(step);
    }
  }

 private:
  /// The row without what pads it.
  void take_queries(CaptureStep& step) {
    const ArrayStep& said = steps_[next_step_++];
    const auto last = std::find_if(step.ids.rbegin(), step.ids.rend(), [](std::int64_t id) { return id >= 0; });
    const auto used = static_cast<std::size_t>(step.ids.rend() - last);
    const auto selecting = static_cast<std::uint32_t>((used + query_ids_ - 1) / query_ids_);
    step.accepted = said.accepted;
    step.queries = said.queries.value_or(std::max(selecting, said.accepted));
    if (selecting > step.queries) {
      throw TraceError(ids_->name(), "step {} has ids of query {}, and {} queries", next_step_ - 1, selecting - 1,
                       step.queries);
    }
    step.ids.resize(query_ids_ * step.queries);
    step.scores.resize(scores_ ? step.ids.size() : 0);
  }

  void skip() {
    ids_->skip(to_skip_);
    if (scores_) {
      scores_->skip(to_skip_);
    }
    to_skip_ = 0;
  }

  std::unique_ptr<NpyReader> ids_;
  std::unique_ptr<NpyReader> scores_;
  std::size_t query_ids_;
  std::size_t step_ids_;
  std::uint64_t to_skip_;  ///< elements before the first step
  std::vector<ArrayStep> steps_;
  std::size_t next_step_ = 0;
};

class ArrayFile final : public CaptureFile {
 public:
  using Open = RequestArrays (*)(const std::filesystem::path&, const ImportOptions&);

  ArrayFile(const std::filesystem::path& path, const ImportOptions& options, Open open)
      : path_(path), options_(options), open_(open) {
    RequestArrays arrays = open(path, options);
    requests_.push_back(std::move(arrays.shape));
    unread_ = std::move(arrays.unread);
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }

  std::vector<std::string> notes() const override {
    if (unread_.empty()) {
      return {};
    }
    return {fmt::format("{}: {} {} not read", path_.string(), fmt::join(unread_, ", "),
                        unread_.size() == 1 ? "is" : "are")};
  }

  std::unique_ptr<CaptureSource> read() const override {
    RequestArrays arrays = open_(path_, options_);
    if (arrays.shape != requests_.front()) {
      throw TraceError(path_.string(), "was changed while it was imported");
    }
    return std::make_unique<ArraySource>(std::move(arrays));
  }

 private:
  std::filesystem::path path_;
  ImportOptions options_;
  Open open_;
  std::vector<CaptureShape> requests_;
  std::vector<std::string> unread_;
};

}  // namespace

ArrayClaims claims_of(const ImportOptions& options) {
  ArrayClaims claims;
  claims.heads = options.heads;
  if (options.layers) {
    claims.layers.push_back({.by = "`layers`", .value = std::uint64_t{*options.layers} * options.heads.value_or(1)});
  }
  if (options.top_k) {
    claims.top_k.push_back({.by = "`top_k`", .value = *options.top_k});
  }
  return claims;
}

ArrayShape array_shape(const NpyReader& ids, const ArrayClaims& claims) {
  const Dimensions found = dimensions(ids, claims);
  require_claims(ids, found.layers, "layers", claims.layers);
  require_claims(ids, found.top_k, "ids a row", claims.top_k);
  if (found.layers == 0 || found.top_k == 0) {
    throw TraceError(ids.name(), "shape {} has no {}", ids.header().shape_text(),
                     found.layers == 0 ? "layers" : "ids in a row");
  }
  // Not more than the elements, whose number fits, unless there are no rows.
  if (found.rows > 0 && found.queries * found.layers * found.top_k > most_ids_of_a_step) {
    throw TraceError(ids.name(), "shape {} has {} ids a step, at most {} are supported", ids.header().shape_text(),
                     found.queries * found.layers * found.top_k, most_ids_of_a_step);
  }
  return {.rows = found.rows,
          .queries = static_cast<std::uint32_t>(found.queries),
          .layers = static_cast<std::uint32_t>(found.layers),
          .top_k = static_cast<std::uint32_t>(found.top_k)};
}

CaptureShape capture_shape(NpyReader& ids, NpyReader* scores, const ArrayShape& array, const DecodeRows& rows,
                           std::optional<std::uint64_t> prompt_tokens) {
  ids.require_integers();
  if (scores != nullptr) {
    scores->require_float16();
    if (scores->header().shape != ids.header().shape) {
      throw TraceError(scores->name(), "shape {} differs from that of the ids, {}", scores->header().shape_text(),
                       ids.header().shape_text());
    }
  }
  assert(rows.first + rows.steps <= array.rows);
  if (rows.steps == 0) {
    throw TraceError(ids.name(), "shape {} has no decode steps", ids.header().shape_text());
  }
  if (array.queries > 1 && rows.first > 0) {
    throw TraceError(ids.name(), "shape {} has several queries a row, and its rows begin in the prompt; not supported",
                     ids.header().shape_text());
  }
  return {.steps = rows.steps,
          .layers = array.layers,
          .top_k = array.top_k,
          .prompt_tokens = prompt_tokens,
          .has_scores = scores != nullptr,
          .first_row = rows.first,
          .may_start_early = rows.may_start_early};
}

void take_heads(CaptureShape& shape, const ImportOptions& options) {
  const bool map_says = options.model_shape.has_value();
  for (std::uint32_t layer = 0; options.heads && !map_says && shape.layer_infos.size() < shape.layers; ++layer) {
    shape.layer_infos.push_back({.model_layer = layer / *options.heads, .group_size = 1});
  }
}

std::optional<std::uint64_t> start_of_rows(const std::string& name, std::optional<std::uint64_t> recorded,
                                           const ImportOptions& options, std::optional<std::uint64_t> prompt) {
  if (!options.prompt_start) {
    return recorded;
  }
  if (!prompt) {
    throw TraceError(name, "does not say how long the prompt is; `prompt_start` needs `prompt_len`");
  }
  const std::uint64_t said = options.prompt_start->position(*prompt);
  if (recorded && *recorded != said) {
    throw TraceError(name, "its rows begin at position {}, `prompt_start` says {}", *recorded, said);
  }
  return said;
}

DecodeRows steps_from(const std::string& name, std::uint64_t rows, std::optional<std::uint64_t> prompt,
                      std::optional<std::uint64_t> start) {
  if (!start) {
    return {.first = 0, .steps = rows};
  }
  if (!prompt) {
    throw TraceError(name, "its rows begin at position {}, the length of its prompt is not known; give `prompt_len`",
                     *start);
  }
  if (*start > *prompt) {
    throw TraceError(name, "its rows begin at position {}, behind the prompt of {} tokens: its first steps are missing",
                     *start, *prompt);
  }
  return rows_after_prompt(rows, *prompt, start);
}

std::unique_ptr<CaptureSource> read_arrays(std::unique_ptr<NpyReader> ids, std::unique_ptr<NpyReader> scores,
                                           const CaptureShape& shape) {
  return std::make_unique<ArraySource>(
      RequestArrays{.ids = std::move(ids), .scores = std::move(scores), .shape = shape});
}

std::unique_ptr<CaptureFile> array_file(const std::filesystem::path& path, const ImportOptions& options,
                                        RequestArrays (*open)(const std::filesystem::path&, const ImportOptions&)) {
  return std::make_unique<ArrayFile>(path, options, open);
}

}  // namespace dsasim
