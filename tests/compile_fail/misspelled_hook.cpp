// The only difference from a correct policy is the name on_filled.
#include "dsasim/cache/access_cache.hpp"

#include <array>

struct Misspelled {
  static constexpr std::string_view name = "misspelled";
  static constexpr std::string_view sentence = "Evicts slot 0.";
  static constexpr std::string_view source = "none";
  static constexpr std::array<dsasim::PolicyParameter, 0> parameters{};
  static constexpr dsasim::Replacement replacement = dsasim::Replacement::per_access;
  static constexpr bool needs_future = false;
  static constexpr double slot_bytes = 0;

  explicit Misspelled(const dsasim::PolicySetup& /*setup*/) {}
  void on_hit(dsasim::SlotId /*slot*/) noexcept {}
  bool admits() noexcept { return true; }
  dsasim::SlotId victim() noexcept { return {}; }
  void on_filled(dsasim::SlotId /*slot*/) noexcept {}
  bool invariant() const { return true; }
};

template class dsasim::AccessCache<Misspelled>;
