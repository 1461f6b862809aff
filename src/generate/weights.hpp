#pragma once

#include "dsasim/generate/model.hpp"

#include "generate/balance.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace dsasim::synthesis {

/// Surroundings as the generator looks them up, with the factors of its balance.
class Weights {
 public:
  enum class Event : std::uint8_t { leave, enter };

  Weights(const Surroundings& surroundings, const Balance& balance, Event event)
      : surroundings_(surroundings), balanced_(surroundings), event_(event) {
    const auto is_1 = [](double factor) { return factor == 1; };
    flat_ = !balance.active() && std::ranges::all_of(surroundings.crowd, is_1) &&
            std::ranges::all_of(surroundings.place,
                                [&](const auto& factors) { return std::ranges::all_of(factors, is_1); });
    update(balance);
  }

  void update(const Balance& balance) noexcept {
    const auto balanced = [this](double factor, double by) {
      return event_ == Event::enter ? factor * by : factor / by;
    };
    for (std::size_t activity = 0; activity < activity_classes; ++activity) {
      balanced_.peer[activity][1] = balanced(surroundings_.peer[activity][1], balance.peer());
      for (std::size_t place = 0; place < place_count; ++place) {
        balanced_.place[activity][place] = balanced(surroundings_.place[activity][place], balance.place(place));
      }
    }
    for (std::uint32_t others = 0; others < crowd_.size(); ++others) {
      crowd_[others] = balanced(surroundings_.crowd[crowd_of(others)], balance.crowd(others));
    }
    most_crowd_ = *std::ranges::max_element(crowd_);
  }

  /// Only the peer matters.
  bool flat() const noexcept { return flat_; }
  const PeerRatio& peer(std::size_t activity) const noexcept { return balanced_.peer[activity]; }
  /// Without the peer.
  double at(std::size_t activity, std::size_t place, std::uint32_t others) const noexcept {
    return balanced_.place[activity][place] * crowd_[others];
  }
  /// No weight at these places is larger.
  double most_between(std::size_t activity, std::size_t first_place, std::size_t last_place) const noexcept {
    const auto& factors = balanced_.place[activity];
    return most_crowd_ * *std::max_element(factors.begin() + static_cast<std::ptrdiff_t>(first_place),
                                           factors.begin() + static_cast<std::ptrdiff_t>(last_place) + 1);
  }

 private:
  const Surroundings& surroundings_;
  Surroundings balanced_;
  Event event_;
  std::array<double, page_entries> crowd_{};  ///< by how many others
  double most_crowd_ = 1;
  bool flat_ = true;
};

}  // namespace dsasim::synthesis
