#pragma once

// One stream of a serving stack's hot buffer once more, as its kernel has it: an array of slots, the order in which
// they are replaced, and what is resident besides. Of the replay's code it shares nothing, not even the plain caches.

#include "replay/small_traces.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <optional>
#include <vector>

namespace dsasim::test {

class ReferenceHotBuffer {
 public:
  enum class Start { handed_over, colocated };

  /// SGLang's: the newest entry has a slot of its own. Long prompts that are handed over begin with an empty buffer.
  static ReferenceHotBuffer sglang(std::size_t slots, std::uint64_t prompt_entries, Start start) {
    ReferenceHotBuffer buffer(slots);
    buffer.is_sglang_ = true;
    if (start == Start::colocated || prompt_entries <= slots) {
      buffer.hold_first_positions(prompt_entries);
    }
    return buffer;
  }
  /// vLLM's: empty at first; entries of the newest `blocks` blocks of 64 are resident.
  static ReferenceHotBuffer vllm(std::size_t slots, std::uint64_t blocks) {
    ReferenceHotBuffer buffer(slots);
    buffer.blocks_ = blocks;
    return buffer;
  }

  /// The entries that a selection has to fetch, of a context of so many entries.
  PlainSelection misses(const PlainSelection& selection, std::uint64_t context) {
    if (is_sglang_ && context <= slots_.size()) {  // position p is in slot p; the order stays as it is
      hold_first_positions(context);
      return {};
    }
    std::vector<std::size_t> hits;
    PlainSelection missed;
    for (const std::uint32_t id : selection) {
      const auto slot = std::find(slots_.begin(), slots_.end(), std::optional(id));
      if (is_resident(id, context)) {
        continue;
      }
      if (slot == slots_.end()) {
        missed.push_back(id);
      } else {
        hits.push_back(static_cast<std::size_t>(slot - slots_.begin()));
      }
    }
    const auto is_hit = [&](std::size_t slot) { return std::find(hits.begin(), hits.end(), slot) != hits.end(); };
    std::list<std::size_t> filled;
    for (const std::uint32_t id : missed) {
      const auto oldest = std::find_if_not(order_.begin(), order_.end(), is_hit);
      slots_[*oldest] = id;
      filled.splice(filled.end(), order_, oldest);
    }
    // The new order: what is left over, then the misses, then the hits.
    std::list<std::size_t> renewed;
    std::copy_if(order_.begin(), order_.end(), std::back_inserter(renewed), is_hit);
    order_.remove_if(is_hit);
    order_.splice(order_.end(), filled);
    order_.splice(order_.end(), renewed);
    return missed;
  }

 private:
  explicit ReferenceHotBuffer(std::size_t slots) : slots_(slots) {
    for (std::size_t slot = 0; slot < slots; ++slot) {
      order_.push_back(slot);
    }
  }

  void hold_first_positions(std::uint64_t count) {
    for (std::size_t slot = 0; slot < std::min<std::uint64_t>(count, slots_.size()); ++slot) {
      slots_[slot] = static_cast<std::uint32_t>(slot);
    }
  }

  bool is_resident(std::uint32_t id, std::uint64_t context) const {
    const std::uint64_t newest = context - 1;
    return is_sglang_ ? id == newest : id / 64 + blocks_ > newest / 64;
  }

  std::vector<std::optional<std::uint32_t>> slots_;
  std::list<std::size_t> order_;  ///< slots, the oldest first
  bool is_sglang_ = false;
  std::uint64_t blocks_ = 0;
};

}  // namespace dsasim::test
