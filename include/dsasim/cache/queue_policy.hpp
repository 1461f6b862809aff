#pragma once

#include "dsasim/cache/policy.hpp"
#include "dsasim/types.hpp"

#include <cstdint>
#include <vector>

namespace dsasim {

/// A policy whose order of eviction is made of queues, written once for both kinds of replacement. Its hooks are those
/// of AccessPolicy and StepPolicy, except that victim(key, spared) gets a predicate over slots: the policy goes on as
/// if it had not found an entry to evict where it finds a spared one. There always is one that is not. on_end() comes
/// after each selection, and after each insert(), of PerSelection.
///
/// Q lists atomic_parameter, and says of a slot and a key what it keeps; the registry has PerAccess<Q> and
/// PerSelection<Q>.
template <class Q>
class PerAccess {
 public:
  static constexpr auto name = Q::name;
  static constexpr auto sentence = Q::sentence;
  static constexpr auto source = Q::source;
  static constexpr auto parameters = Q::parameters;
  static constexpr Replacement replacement = Replacement::per_access;
  static constexpr double access_ns = Q::access_ns;
  static constexpr PolicyNeeds needs{};
  static constexpr double slot_bytes = Q::slot_bytes;
  static constexpr double place_bytes = Q::place_bytes;

  explicit PerAccess(const PolicySetup& setup) : queues_(setup) {}

  void on_hit(Access access) noexcept { queues_.on_hit(access); }
  bool admits() noexcept { return true; }
  SlotId victim(std::uint32_t key) noexcept {
    return SlotId{queues_.victim(key, [](std::uint32_t /*slot*/) { return false; })};
  }
  void on_evict(Access access) noexcept { queues_.on_evict(access); }
  void on_forget(Access access) noexcept requires ForgetsEntries<Q> { queues_.on_forget(access); }
  void on_forget_departed(std::uint32_t key) noexcept requires ForgetsDeparted<Q> { queues_.on_forget_departed(key); }
  void on_fill(Access access) noexcept { queues_.on_fill(access); }
  bool invariant() const { return queues_.invariant(); }

 private:
  Q queues_;
};

/// The same a selection at a time: its hits in logged order, then its misses in logged order, and no victim that it
/// names.
template <class Q>
class PerSelection {
 public:
  static constexpr auto name = Q::name;
  static constexpr auto sentence = Q::sentence;
  static constexpr auto source = Q::source;
  static constexpr auto parameters = Q::parameters;
  static constexpr Replacement replacement = Replacement::per_selection;
  static constexpr double access_ns = Q::access_ns;
  static constexpr PolicyNeeds needs{.whole_selection = true};
  static constexpr double slot_bytes = Q::slot_bytes + 8;
  static constexpr double place_bytes = Q::place_bytes;

  explicit PerSelection(const PolicySetup& setup) : queues_(setup), named_in_(setup.capacity_entries) {}

  void on_begin(const StepSelection& /*selection*/) {}
  void on_hit(Access access) noexcept {
    named_in_[value(access.slot)] = selection_;
    queues_.on_hit(access);
  }
  bool admits() noexcept { return true; }
  SlotId victim(std::uint32_t key) noexcept {
    return SlotId{queues_.victim(key, [this](std::uint32_t slot) { return named_in_[slot] == selection_; })};
  }
  void on_evict(Access access) noexcept { queues_.on_evict(access); }
  void on_forget(Access access) noexcept requires ForgetsEntries<Q> { queues_.on_forget(access); }
  void on_forget_departed(std::uint32_t key) noexcept requires ForgetsDeparted<Q> { queues_.on_forget_departed(key); }
  void on_fill(Access access) noexcept {
    named_in_[value(access.slot)] = selection_;
    queues_.on_fill(access);
  }
  void on_end() noexcept {
    ++selection_;
    queues_.on_end();
  }
  bool invariant() const { return queues_.invariant(); }

 private:
  Q queues_;
  std::vector<std::uint64_t> named_in_;  ///< by slot: the number of the last selection that hit or filled it
  std::uint64_t selection_ = 1;
};

}  // namespace dsasim
