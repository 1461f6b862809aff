#pragma once

#include "dsasim/generate/model.hpp"

#include "generate/steered.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace dsasim::synthesis {

/// Keeps the selections of a stream, on average, at the shares that were measured: by place, shared with the layer
/// before, and by pages touched. What there is too much of gets a factor below 1 for entering and its inverse for
/// leaving.
class Balance {
 public:
  explicit Balance(const SelectionShares& target) : target_(target) {}
  bool active() const noexcept { return target_.pages > 0; }

  struct Seen {
    std::array<std::uint32_t, place_count> place{};
    std::uint32_t with_peer = 0;
    std::uint32_t pages = 0;
    std::size_t exchanged = 0;
  };
  void adjust(const Seen& seen, double ids, double churn) noexcept {
    exchange_.steer(target_.exchanged * ids * churn, static_cast<double>(seen.exchanged));
    // Only the proportions of places matter: they must not wander together.
    double mean = 0;
    for (std::size_t at = 0; at < place_count; ++at) {
      place_[at].steer(target_.place[at] * ids, seen.place[at]);
      mean += target_.place[at] * place_[at].value();
    }
    std::ranges::for_each(place_, [mean](Steered& factor) { factor.scale(1 / mean); });
    if (target_.with_peer > 0) {
      peer_.steer(target_.with_peer * ids, seen.with_peer);
    }
    // Too many pages: crowds must be wanted more, the larger the more.
    const double crowding = Steered::correction(seen.pages, target_.pages * ids);
    for (std::uint32_t others = 1; others < crowd_.size(); ++others) {
      crowd_[others].scale(1 + crowding * static_cast<double>(crowd_of(others)));
    }
  }

  double place(std::size_t place) const noexcept { return place_[place].value(); }
  double crowd(std::uint32_t others) const noexcept { return crowd_[others].value(); }
  double peer() const noexcept { return peer_.value(); }
  double exchange() const noexcept { return exchange_.value(); }

 private:
  const SelectionShares& target_;
  std::array<Steered, place_count> place_;
  std::array<Steered, page_entries> crowd_;  ///< by how many others
  Steered peer_;
  Steered exchange_;
};

}  // namespace dsasim::synthesis
