#include "token_rows.hpp"

#include "dsasim/error.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>

namespace dsasim {
namespace {

/// An entry of which a row does not have all tokens.
struct Part {
  std::int64_t entry = 0;
  std::uint64_t found = 0;
  std::uint64_t all = 0;
};

/// Rows of tokens become rows of entries.
class TokenJoiner {
 public:
  explicit TokenJoiner(std::uint32_t unit_tokens) : unit_tokens_(unit_tokens) {}

  /// Of a row of so many tokens. Only one entry of a row can lack tokens: the one that is being filled.
  static std::size_t width(std::uint32_t top_k, std::uint32_t unit_tokens) {
    return std::size_t{top_k} / unit_tokens + 1;
  }

  /// The entries that the tokens belong to, padded; or what is not all of one, in a context of so many tokens.
  std::optional<Part> join(std::span<const std::int64_t> tokens, std::uint64_t context,
                           std::span<std::int64_t> entries) {
    std::fill(entries.begin(), entries.end(), -1);
    std::size_t count = 0;
    counts_.clear();
    for (const std::int64_t token : tokens) {
      if (token >= 0 && counts_[token / unit_tokens_]++ == 0 && count < entries.size()) {
        entries[count++] = token / unit_tokens_;
      }
    }
    const auto unit = static_cast<std::uint64_t>(unit_tokens_);
    for (const auto& [entry, found] : counts_) {
      const std::uint64_t first = static_cast<std::uint64_t>(entry) * unit;
      const std::uint64_t all = first < context ? std::min(unit, context - first) : 0;
      if (found != all) {
        return Part{.entry = entry, .found = found, .all = all};
      }
    }
    return std::nullopt;
  }

 private:
  std::int64_t unit_tokens_;
  std::map<std::int64_t, std::uint64_t> counts_;  ///< by entry: tokens in the row
};

class JoinedSource final : public CaptureSource {
 public:
  JoinedSource(std::unique_ptr<CaptureSource> inner, const std::vector<CaptureShape>& rows, std::string path,
               const std::vector<std::uint64_t>& prompt_tokens, std::uint32_t unit_tokens)
      : inner_(std::move(inner)),
        rows_(rows),
        path_(std::move(path)),
        prompt_tokens_(prompt_tokens),
        unit_tokens_(unit_tokens),
        steps_(rows.size()) {}

  void read_step(CaptureStep& step) override {
    inner_->read_step(step);
    const CaptureShape& shape = rows_[step.request];
    const std::size_t width = TokenJoiner::width(shape.top_k, unit_tokens_);
    const std::uint64_t context = prompt_tokens_[step.request] + steps_[step.request] + 1;
    joined_.resize(shape.layers * width);
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      const auto tokens = std::span(step.ids).subspan(std::size_t{layer} * shape.top_k, shape.top_k);
      if (const auto part = joiner_.join(tokens, context, std::span(joined_).subspan(layer * width, width))) {
        throw TraceError(path_,
                         "request {}, step {}, layer {}: ids name tokens, and {} of the {} tokens of entry {}; "
                         "expected all of them",
                         step.request, steps_[step.request], layer, part->found, part->all, part->entry);
      }
    }
    step.ids = joined_;
    ++steps_[step.request];
  }

 private:
  std::unique_ptr<CaptureSource> inner_;
  const std::vector<CaptureShape>& rows_;  ///< of tokens
  std::string path_;
  const std::vector<std::uint64_t>& prompt_tokens_;
  std::uint32_t unit_tokens_;
  std::vector<std::uint64_t> steps_;  ///< read so far, of each request
  std::vector<std::int64_t> joined_;
  TokenJoiner joiner_{unit_tokens_};
};

class JoinedFile final : public CaptureFile {
 public:
  JoinedFile(std::unique_ptr<CaptureFile> inner, std::string path, std::vector<std::uint64_t> prompt_tokens,
             std::uint32_t unit_tokens)
      : inner_(std::move(inner)),
        path_(std::move(path)),
        prompt_tokens_(std::move(prompt_tokens)),
        unit_tokens_(unit_tokens),
        requests_(inner_->requests()) {
    for (CaptureShape& shape : requests_) {
      if (shape.has_scores) {
        throw TraceError(path_, "ids name tokens of entries of {}, and each has a score; an entry would have several",
                         unit_tokens_);
      }
      shape.top_k = static_cast<std::uint32_t>(TokenJoiner::width(shape.top_k, unit_tokens_));
    }
  }

  const std::vector<CaptureShape>& requests() const override { return requests_; }

  std::unique_ptr<CaptureSource> read() const override {
    return std::make_unique<JoinedSource>(inner_->read(), inner_->requests(), path_, prompt_tokens_, unit_tokens_);
  }

 private:
  std::unique_ptr<CaptureFile> inner_;
  std::string path_;
  std::vector<std::uint64_t> prompt_tokens_;
  std::uint32_t unit_tokens_;
  std::vector<CaptureShape> requests_;
};

}  // namespace

bool names_tokens(const Capture& capture, std::uint32_t unit_tokens) {
  if (unit_tokens == 1 || capture.total_steps() == 0 || capture.has_queries()) {
    return false;
  }
  CaptureStep step;
  capture.file->read()->read_step(step);
  const std::uint64_t context = capture.context(step.request, 0);
  const std::int64_t largest = *std::max_element(step.ids.begin(), step.ids.end());
  if (largest < static_cast<std::int64_t>((context + unit_tokens - 1) / unit_tokens)) {
    return false;
  }
  const CaptureShape& shape = capture.requests()[step.request];
  TokenJoiner joiner(unit_tokens);
  std::vector<std::int64_t> entries(TokenJoiner::width(shape.top_k, unit_tokens));
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    if (joiner.join(std::span(step.ids).subspan(std::size_t{layer} * shape.top_k, shape.top_k), context, entries)) {
      return false;
    }
  }
  return true;
}

std::unique_ptr<CaptureFile> join_tokens(Capture& capture, std::uint32_t unit_tokens) {
  return std::make_unique<JoinedFile>(std::move(capture.file), capture.path.string(), capture.prompt_tokens,
                                      unit_tokens);
}

}  // namespace dsasim
