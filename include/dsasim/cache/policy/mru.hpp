#pragma once

#include "dsasim/cache/linked_lists.hpp"
#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace dsasim {

/// Most recently used: right for a loop that is longer than the cache.
class Mru {
 public:
  static constexpr std::string_view name = "mru";
  static constexpr std::string_view sentence = "Evicts the entry whose last access is most recent.";
  static constexpr std::string_view source = "Chou and DeWitt, VLDB 1985";
  static constexpr std::array parameters{atomic_parameter};
  static constexpr double access_ns = 8;
  static constexpr double slot_bytes = LinkedLists::node_bytes;
  static constexpr double place_bytes = 0;

  explicit Mru(const PolicySetup& setup) : queue_(setup.capacity_entries, 1) {}

  void on_hit(Access access) noexcept { queue_.move(0, value(access.slot)); }

  /// What a selection named is newest. Its next victim is older than the one before: what is between is named too.
  template <class Spared>
  std::uint32_t victim(std::uint32_t /*key*/, const Spared& spared) noexcept {
    std::uint32_t at = queue_.newest(0);
    if (spared(at)) {
      at = below_victim_ == LinkedLists::none ? at : below_victim_;
      while (spared(at)) {
        at = queue_.older(at);
      }
      below_victim_ = queue_.older(at);
    }
    return at;
  }

  void on_evict(Access access) noexcept { queue_.remove(value(access.slot)); }
  void on_forget(Access access) noexcept { queue_.remove(value(access.slot)); }
  void on_fill(Access access) noexcept { queue_.push(0, value(access.slot)); }
  void on_end() noexcept { below_victim_ = LinkedLists::none; }
  bool invariant() const { return queue_.invariant(); }

 private:
  LinkedLists queue_;
  std::uint32_t below_victim_ = LinkedLists::none;  ///< where the next search of the open selection begins
};

}  // namespace dsasim
