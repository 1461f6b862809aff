#include "trace/lane.hpp"

#include <algorithm>
#include <utility>

namespace dsasim::trace {
namespace {

std::size_t words_for(std::uint64_t id_limit) noexcept {
  const std::uint64_t block_ids = block_words * 64;
  return static_cast<std::size_t>((id_limit + block_ids - 1) / block_ids * block_words);
}

}  // namespace

std::uint64_t LanePlanes::bytes_for(std::uint64_t id_limit) noexcept {
  return 5 * sizeof(std::uint64_t) * words_for(id_limit) + words_for(id_limit) / block_words;
}

void LanePlanes::reserve_ids(std::uint64_t id_limit) {
  const std::size_t words = words_for(id_limit);
  if (words <= next.size()) {
    return;
  }
  for (auto* plane : planes()) {
    Plane larger(words);
    for_each_live_block(
        [&](std::size_t word) { std::copy_n(plane->data() + word, block_words, larger.data() + word); });
    *plane = std::move(larger);
  }
  live.resize(words / block_words, 0);
  listed.reset(words + block_words);
}

void LanePlanes::clear() noexcept {
  for (auto* plane : planes()) {
    clear(*plane);
  }
  std::fill(live.begin(), live.end(), std::uint8_t{0});
  steps = 0;
}

void LanePlanes::clear(Plane& plane) const noexcept {
  for_each_live_block([&](std::size_t word) { std::fill_n(plane.data() + word, block_words, 0); });
}

void LanePlanes::advance() {
  std::swap(two_ago, one_ago);
  std::swap(one_ago, next);
  ++steps;
  if (steps % window_steps == 0) {
    std::swap(window_old, window_new);
    clear(window_new);
  }
}

}  // namespace dsasim::trace
