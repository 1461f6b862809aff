#include "trace/digest.hpp"

#include <xxhash.h>

#include <new>

namespace dsasim::trace {
namespace {

Digest to_digest(XXH128_hash_t hash) noexcept {
  return {.low = hash.low64, .high = hash.high64};
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

Digest RequestDigest::value() const {
  return to_digest(XXH3_128bits_digest(state_->xxh));
}

Digest trace_digest(const TraceHeader& header, std::span<const std::uint64_t> steps, std::span<const Digest> requests) {
  std::vector<std::uint64_t> words = {header.unit_tokens, header.layers.size(), header.requests.size()};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    words.insert(words.end(), {header.requests[i].prompt_tokens, steps[i], requests[i].low, requests[i].high});
  }
  return to_digest(XXH3_128bits(words.data(), words.size() * sizeof words[0]));
}

}  // namespace dsasim::trace
