// The only difference from a correct policy is the name on_filled.
#include "dsasim/cache/access_cache.hpp"

#include <array>

struct Misspelled {
  static constexpr std::string_view name = "misspelled";
  static constexpr std::string_view sentence = "Evicts slot 0.";
  static constexpr std::string_view source = "none";
  static constexpr std::array<dsasim::PolicyParameter, 0> parameters{};
  static constexpr dsasim::Replacement replacement = dsasim::Replacement::per_access;
  static constexpr double access_ns = 1;
  static constexpr dsasim::PolicyNeeds needs{};
  static constexpr double slot_bytes = 0;
  static constexpr double place_bytes = 0;

  explicit Misspelled(const dsasim::PolicySetup& /*setup*/) {}
  void on_hit(dsasim::Access /*access*/) noexcept {}
  bool admits() noexcept { return true; }
  dsasim::SlotId victim(std::uint32_t /*key*/) noexcept { return {}; }
  void on_evict(dsasim::Access /*access*/) noexcept {}
  void on_filled(dsasim::Access /*access*/) noexcept {}
  bool invariant() const { return true; }
};

template class dsasim::AccessCache<Misspelled>;
