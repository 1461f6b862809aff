#pragma once

#include "dsasim/generate/model.hpp"

#include <array>
#include <cstddef>
#include <vector>

namespace dsasim::synthesis {

/// What happened to the entries of a layer by what surrounded them, and what the tables, which know nothing of that,
/// let expect.
class SurroundingsTally {
 public:
  /// What is known of an entry at a step.
  struct Spot {
    std::size_t activity;
    std::size_t peer;
    std::size_t place;
    std::size_t crowd;
  };

  void count(const Spot& spot, double expected, bool happens) noexcept {
    Counts& counts = counts_[((spot.activity * 2 + spot.peer) * place_count + spot.place) * crowd_count + spot.crowd];
    counts.expected += expected;
    counts.seen += static_cast<double>(happens);
  }

  /// The factors whose product, times what was expected, gives what was seen for each peer, place and crowd taken by
  /// itself.
  Surroundings fit() const;

 private:
  struct Counts {
    double expected = 0;
    double seen = 0;
  };
  /// What factors on some of the dimensions leave to explain.
  template <class Factor>
  void refit(Surroundings& surroundings, Factor&& factor) const;

  std::vector<Counts> counts_ = std::vector<Counts>(activity_classes * 2 * place_count * crowd_count);
};

}  // namespace dsasim::synthesis
