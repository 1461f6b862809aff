#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dsasim {

/// Slots in a binary heap, the smallest rank first.
template <class Rank>
class SlotHeap {
 public:
  explicit SlotHeap(std::uint32_t capacity_entries) : place_of_(capacity_entries) { nodes_.reserve(capacity_entries); }

  bool empty() const noexcept { return nodes_.empty(); }
  std::uint32_t top() const noexcept { return nodes_.front().slot; }
  const Rank& rank_of(std::uint32_t slot) const noexcept { return nodes_[place_of_[slot]].rank; }

  void push(std::uint32_t slot, const Rank& rank) noexcept {
    nodes_.push_back({.rank = rank, .slot = slot});  // reserved
    rise(nodes_.size() - 1);
  }

  void remove(std::uint32_t slot) noexcept {
    const std::size_t place = place_of_[slot];
    const Node last = nodes_.back();
    nodes_.pop_back();
    if (place < nodes_.size()) {
      nodes_[place] = last;
      rise(place);
      sink(place_of_[last.slot]);
    }
  }

  /// Of a slot in the heap whose rank has grown.
  void raise(std::uint32_t slot, const Rank& rank) noexcept {
    nodes_[place_of_[slot]].rank = rank;
    sink(place_of_[slot]);
  }

  bool invariant() const {
    for (std::size_t place = 0; place < nodes_.size(); ++place) {
      if (place_of_[nodes_[place].slot] != place || (place > 0 && nodes_[place].rank < nodes_[(place - 1) / 2].rank)) {
        return false;
      }
    }
    return true;
  }

 private:
  struct Node {
    Rank rank;
    std::uint32_t slot;
  };

  void rise(std::size_t place) noexcept {
    const Node node = nodes_[place];
    while (place > 0 && node.rank < nodes_[(place - 1) / 2].rank) {
      put(place, nodes_[(place - 1) / 2]);
      place = (place - 1) / 2;
    }
    put(place, node);
  }

  void sink(std::size_t place) noexcept {
    const Node node = nodes_[place];
    for (std::size_t child = 2 * place + 1; child < nodes_.size(); child = 2 * place + 1) {
      child += child + 1 < nodes_.size() && nodes_[child + 1].rank < nodes_[child].rank ? 1U : 0U;
      if (!(nodes_[child].rank < node.rank)) {
        break;
      }
      put(place, nodes_[child]);
      place = child;
    }
    put(place, node);
  }

  void put(std::size_t place, const Node& node) noexcept {
    nodes_[place] = node;
    place_of_[node.slot] = static_cast<std::uint32_t>(place);
  }

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> place_of_;  ///< by slot
};

}  // namespace dsasim
