#pragma once

#include "dsasim/analysis/analysis.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <vector>

namespace dsasim {

/// How often each integer occurred. Values below a limit are counted in an array that grows to the largest one, those
/// above it in a map: run lengths of a long trace can be anything, and hardly any are that long.
class Histogram {
 public:
  static constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t steps_limit = 4096;  ///< for values that are numbers of steps

  explicit Histogram(std::uint64_t dense_limit = no_limit) : dense_limit_(dense_limit) {}

  void add(std::uint64_t value, std::uint64_t times = 1) {
    if (value < dense_.size()) [[likely]] {
      dense_[value] += times;
    } else if (times > 0) {
      add_beyond(value, times);
    }
  }
  void merge(const Histogram& other);

  /// Calls f(value, times) for each value that occurred, ascending.
  template <class F>
  void for_each(F&& f) const {
    for (std::uint64_t value = 0; value < dense_.size(); ++value) {
      if (dense_[value] > 0) {
        f(value, dense_[value]);
      }
    }
    for (const auto& [value, times] : sparse_) {
      f(value, times);
    }
  }

 private:
  void add_beyond(std::uint64_t value, std::uint64_t times);

  std::uint64_t dense_limit_;
  std::vector<std::uint64_t> dense_;               ///< times, by value
  std::map<std::uint64_t, std::uint64_t> sparse_;  ///< of values of dense_limit_ and more
};

/// Mean, nearest-rank P95, standard deviation and bins of value / divisor. Everything is summed as integers and
/// divided once, so that no order of adding and no machine changes a digit. A bin holds one value below 32, and above
/// there are sixteen bins to each doubling, whatever the samples: bins of layers and of traces can be compared.
MetricSummary summarise(const Histogram& histogram, double divisor);

}  // namespace dsasim
