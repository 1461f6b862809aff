#pragma once

#include "dsasim/zeroed_array.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsasim {

/// Lists of nodes 0 .. n - 1, each in one list at most, from the one that joined last to the one that joined first. In
/// arrays: nodes are slots of a cache, or keys of entries that left it. Memory is taken where nodes are used.
class LinkedLists {
 public:
  static constexpr std::uint32_t none = 0xFFFFFFFF;
  static constexpr double node_bytes = 12;

  LinkedLists(std::size_t nodes, std::size_t lists) : links_(nodes), lists_(lists) {}

  std::size_t size(std::uint32_t list) const noexcept { return lists_[list].size; }
  std::uint32_t newest(std::uint32_t list) const noexcept { return lists_[list].newest; }
  std::uint32_t oldest(std::uint32_t list) const noexcept { return lists_[list].oldest; }
  /// The neighbour of a node that is in a list, or none.
  std::uint32_t newer(std::uint32_t node) const noexcept { return links_[node].newer - 1; }
  std::uint32_t older(std::uint32_t node) const noexcept { return links_[node].older - 1; }
  bool contains(std::uint32_t list, std::uint32_t node) const noexcept { return links_[node].list == list + 1; }

  /// Of a node in no list: it is now the newest.
  void push(std::uint32_t list, std::uint32_t node) noexcept {
    assert(links_[node].list == 0);
    List& ends = lists_[list];
    links_[node] = {.newer = 0, .older = ends.newest + 1, .list = list + 1};
    (ends.newest == none ? ends.oldest : links_[ends.newest].newer) = ends.newest == none ? node : node + 1;
    ends.newest = node;
    ++ends.size;
  }

  /// Of a node in some list.
  void remove(std::uint32_t node) noexcept {
    const auto [newer, older, list] = links_[node];
    assert(list != 0);
    List& ends = lists_[list - 1];
    (newer == 0 ? ends.newest : links_[newer - 1].older) = newer == 0 ? older - 1 : older;
    (older == 0 ? ends.oldest : links_[older - 1].newer) = older == 0 ? newer - 1 : newer;
    links_[node] = {};
    --ends.size;
  }

  /// Takes a node out of the list if it is there; returns whether it was.
  bool take(std::uint32_t list, std::uint32_t node) noexcept {
    const bool found = contains(list, node);
    if (found) {
      remove(node);
    }
    return found;
  }

  void move(std::uint32_t list, std::uint32_t node) noexcept {
    remove(node);
    push(list, node);
  }

  /// The oldest node of a list that is not spared, or none.
  template <class Spared>
  std::uint32_t oldest(std::uint32_t list, const Spared& spared) const noexcept {
    std::uint32_t node = oldest(list);
    while (node != none && spared(node)) {
      node = newer(node);
    }
    return node;
  }

  bool invariant() const {
    std::size_t linked = 0;
    for (std::uint32_t list = 0; list < lists_.size(); ++list) {
      std::size_t reached = 0;
      for (std::uint32_t node = oldest(list); node != none; node = newer(node)) {
        if (!contains(list, node) || ++reached > lists_[list].size || (newer(node) == none) != (newest(list) == node)) {
          return false;
        }
      }
      linked += reached;
      if (reached != lists_[list].size) {
        return false;
      }
    }
    return linked <= links_.size();
  }

 private:
  // Nodes plus one, so that 0 is none, and pages that no node of is used take no memory.
  struct Link {
    std::uint32_t newer;
    std::uint32_t older;
    std::uint32_t list;
  };
  struct List {
    std::uint32_t newest = none;
    std::uint32_t oldest = none;
    std::size_t size = 0;
  };

  ZeroedArray<Link> links_;
  std::vector<List> lists_;
};

}  // namespace dsasim
