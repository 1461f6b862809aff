#include "trace/digest.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <new>

namespace dsasim::trace {
namespace {

Digest to_digest(XXH128_hash_t hash) noexcept {
  return {.low = hash.low64, .high = hash.high64};
}

/// XXH3-128 of the words, in hexadecimal.
std::string hash_of(const std::vector<std::uint64_t>& words) {
  return to_string(to_digest(XXH3_128bits(words.data(), words.size() * sizeof words[0])));
}

}  // namespace

struct RequestDigest::State {
  XXH3_state_t* xxh = XXH3_createState();
};

void RequestDigest::Free::operator()(State* state) const noexcept {
  XXH3_freeState(state->xxh);
  delete state;
}

RequestDigest::RequestDigest() : state_(new State) {
  if (state_->xxh == nullptr) {
    throw std::bad_alloc();
  }
  XXH3_128bits_reset(state_->xxh);
}

void RequestDigest::add(std::span<const EntryId> ids) {
  const auto length = static_cast<std::uint32_t>(ids.size());
  XXH3_128bits_update(state_->xxh, &length, sizeof length);
  XXH3_128bits_update(state_->xxh, ids.data(), ids.size_bytes());
}

void RequestDigest::add(const DecodeStep& step) {
  const std::array<std::uint32_t, 2> numbers = {step.queries, step.accepted};
  XXH3_128bits_update(state_->xxh, numbers.data(), sizeof numbers);
}

Digest RequestDigest::value() const {
  return to_digest(XXH3_128bits_digest(state_->xxh));
}

Digest trace_digest(const TraceHeader& header, std::span<const std::uint64_t> steps, std::span<const Digest> requests) {
  std::vector<std::uint64_t> words = {header.unit_tokens, header.layers.size(), header.requests.size()};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    words.insert(words.end(), {header.requests[i].prompt_tokens, steps[i], requests[i].low, requests[i].high});
  }
  for (const StoreInfo& store : header.stores) {
    words.insert(words.end(), {store.kv_owner, store.unit_tokens});
  }
  return to_digest(XXH3_128bits(words.data(), words.size() * sizeof words[0]));
}

TraceIdentity trace_identity(const TraceHeader& header, const Digest& content) {
  // A new field does not compile here: does a replay read it?
  const auto& [model, provenance, ids, unit_tokens, page_tokens, entry_bytes, has_scores, layers, requests, has_queries,
               stores] = header;
  std::vector<std::uint64_t> layer_words;
  for (const LayerInfo& layer : layers) {
    layer_words.insert(layer_words.end(), {layer.model_layer, layer.group_size});
  }
  for (const StoreInfo& store : stores) {
    layer_words.insert(layer_words.end(), {store.kv_owner, store.kv_rows, store.unit_tokens, store.entry_bytes});
  }
  std::vector<std::uint64_t> start_words;
  start_words.reserve(requests.size());
  for (const RequestInfo& request : requests) {
    start_words.push_back(request.start_step);
  }
  return {{.name = "digest", .text = to_string(content)},
          {.name = "ids", .text = std::string(name_of(ids))},
          {.name = "page_tokens", .text = std::to_string(page_tokens)},
          {.name = "entry_bytes", .text = std::to_string(entry_bytes)},
          {.name = "layers", .text = hash_of(layer_words)},
          {.name = "start_steps", .text = hash_of(start_words)}};
}

}  // namespace dsasim::trace

namespace dsasim {

std::string replay_digest(const TraceIdentity& identity) {
  std::string lines;
  for (const IdentityPart& part : identity) {
    lines += fmt::format("{} {}\n", part.name, part.text);
  }
  return to_string(trace::to_digest(XXH3_128bits(lines.data(), lines.size())));
}

}  // namespace dsasim
