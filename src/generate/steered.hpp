#pragma once

#include <algorithm>

namespace dsasim::synthesis {

/// A factor that is moved, a little each step, until what comes of it is what is wanted.
class Steered {
 public:
  double value() const noexcept { return factor_; }

  void steer(double wanted, double found) noexcept { scale(1 + correction(wanted, found)); }
  void scale(double by) noexcept { factor_ = std::clamp(factor_ * by, 1 / most, most); }

  /// Where little is wanted, chance rules: the step is then smaller. It is 0 on average when found is as wanted.
  static double correction(double wanted, double found) noexcept {
    constexpr double gain = 1.0 / 32;
    return std::max(gain * (wanted - found) / (wanted + 1), -0.5);
  }

 private:
  static constexpr double most = 64;
  double factor_ = 1;
};

}  // namespace dsasim::synthesis
