#include "array_source.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

Dimensions dimensions(const NpyReader& ids, const ArrayClaims& claims) {
  const std::vector<std::uint64_t>& shape = ids.header().shape;
  switch (shape.size()) {
    case 1:
      return split_flat(ids, claims);
    case 2:
      return split_rows(ids, claims);
    case 3:
      return {.rows = shape[0], .layers = shape[1], .top_k = shape[2]};
    default:
      fail_dimensions(ids, "");
  }
}

class ArraySource final : public CaptureSource {
 public:
  ArraySource(std::unique_ptr<NpyReader> ids, std::unique_ptr<NpyReader> scores, const CaptureShape& shape)
      : ids_(std::move(ids)),
        scores_(std::move(scores)),
        step_ids_(std::size_t{shape.layers} * shape.top_k),
        to_skip_(shape.first_row * step_ids_) {}

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
  }

 private:
  void skip() {
    ids_->skip(to_skip_);
    if (scores_) {
      scores_->skip(to_skip_);
    }
    to_skip_ = 0;
  }

  std::unique_ptr<NpyReader> ids_;
  std::unique_ptr<NpyReader> scores_;
  std::size_t step_ids_;
  std::uint64_t to_skip_;  ///< elements before the first step
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
    return read_arrays(std::move(arrays.ids), std::move(arrays.scores), arrays.shape);
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
  if (options.layers) {
    claims.layers.push_back({.by = "`layers`", .value = *options.layers});
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
  if (found.rows > 0 && found.layers * found.top_k > most_ids_of_a_step) {
    throw TraceError(ids.name(), "shape {} has {} ids a step, at most {} are supported", ids.header().shape_text(),
                     found.layers * found.top_k, most_ids_of_a_step);
  }
  return {.rows = found.rows,
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
  return {.steps = rows.steps,
          .layers = array.layers,
          .top_k = array.top_k,
          .prompt_tokens = prompt_tokens,
          .has_scores = scores != nullptr,
          .first_row = rows.first,
          .may_start_early = rows.may_start_early};
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
  return std::make_unique<ArraySource>(std::move(ids), std::move(scores), shape);
}

std::unique_ptr<CaptureFile> array_file(const std::filesystem::path& path, const ImportOptions& options,
                                        RequestArrays (*open)(const std::filesystem::path&, const ImportOptions&)) {
  return std::make_unique<ArrayFile>(path, options, open);
}

}  // namespace dsasim
