#include "generate/surroundings.hpp"

namespace dsasim::synthesis {

/// One factor of each spot is fitted anew, the others as they are: iterative proportional fitting. `factor(s, spot)` is
/// the one. With few entries it leans on 1.
template <class Factor>
void SurroundingsTally::refit(Surroundings& surroundings, Factor&& factor) const {
  constexpr double weight_of_1 = 0.5;
  Surroundings seen = {};
  Surroundings expected = {};
  const Counts* counts = counts_.data();
  for (std::size_t activity = 0; activity < activity_classes; ++activity) {
    for (std::size_t peer = 0; peer < 2; ++peer) {
      for (std::size_t place = 0; place < place_count; ++place) {
        for (std::size_t crowd = 0; crowd < crowd_count; ++crowd, ++counts) {
          const Spot spot{.activity = activity, .peer = peer, .place = place, .crowd = crowd};
          const double all =
              surroundings.peer[activity][peer] * surroundings.place[activity][place] * surroundings.crowd[crowd];
          factor(seen, spot) += counts->seen;
          factor(expected, spot) += counts->expected * all / factor(surroundings, spot);
        }
      }
    }
  }
  for (std::size_t activity = 0; activity < activity_classes; ++activity) {
    for (std::size_t peer = 0; peer < 2; ++peer) {
      for (std::size_t place = 0; place < place_count; ++place) {
        for (std::size_t crowd = 0; crowd < crowd_count; ++crowd) {
          const Spot spot{.activity = activity, .peer = peer, .place = place, .crowd = crowd};
          factor(surroundings, spot) = (factor(seen, spot) + weight_of_1) / (factor(expected, spot) + weight_of_1);
        }
      }
    }
  }
}

Surroundings SurroundingsTally::fit() const {
  Surroundings surroundings = Surroundings::of_peer({1, 1});
  constexpr int rounds = 20;
  for (int round = 0; round < rounds; ++round) {
    refit(surroundings, [](auto& of, const Spot& spot) -> double& { return of.peer[spot.activity][spot.peer]; });
    refit(surroundings, [](auto& of, const Spot& spot) -> double& { return of.place[spot.activity][spot.place]; });
    refit(surroundings, [](auto& of, const Spot& spot) -> double& { return of.crowd[spot.crowd]; });
  }
  return surroundings;
}

}  // namespace dsasim::synthesis
