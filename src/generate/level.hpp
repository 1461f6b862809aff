#pragma once

#include <algorithm>

namespace dsasim::synthesis {

/// What the weights of entries of a kind are multiplied by, so that their mean is 1: weights then say who of the kind,
/// and not how many. The mean is over the last 64 entries or so, or over all of a step.
class Level {
 public:
  /// A step's: so many entries, and the sum of their weights.
  void add(double entries, double weights) noexcept {
    constexpr double remembered = 64;
    const double kept = entries_ > 0 ? std::min(remembered / (entries_ + entries), 1.0) : 0;
    entries_ = entries_ * kept + entries;
    weights_ = weights_ * kept + weights;
  }
  double value() const noexcept { return weights_ > 0 ? entries_ / weights_ : 1; }

  /// The weight that makes something of this probability certain: a larger one does no more.
  static double limit(double probability) noexcept { return probability > 1e-9 ? 1 / probability : 1e9; }

 private:
  double entries_ = 0;
  double weights_ = 0;
};

}  // namespace dsasim::synthesis
