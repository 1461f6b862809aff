#include "analysis/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace dsasim {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t bins_a_doubling = 16;

/// The number of the bin of a value, and the least value of a bin.
std::uint64_t bin_of(std::uint64_t value) {
  if (value < 2 * bins_a_doubling) {
    return value;
  }
  const auto shift = static_cast<std::uint64_t>(std::bit_width(value) - std::bit_width(bins_a_doubling));
  return shift * bins_a_doubling + (value >> shift);
}
std::uint64_t least_of(std::uint64_t bin) {
  if (bin < 2 * bins_a_doubling) {
    return bin;
  }
  const std::uint64_t shift = bin / bins_a_doubling - 1;
  return (bin - shift * bins_a_doubling) << shift;
}

std::vector<HistogramBin> make_bins(const Histogram& histogram, double divisor) {
  std::vector<std::uint64_t> counts;
  std::uint64_t first = 0;
  histogram.for_each([&](std::uint64_t value, std::uint64_t times) {
    const std::uint64_t bin = bin_of(value);
    if (counts.empty()) {
      first = bin;
    }
    counts.resize(bin - first + 1);
    counts.back() += times;
  });
  std::vector<HistogramBin> bins;
  for (std::uint64_t i = 0; i < counts.size(); ++i) {
    bins.push_back({.low = static_cast<double>(least_of(first + i)) / divisor,
                    .high = static_cast<double>(least_of(first + i + 1)) / divisor,
                    .count = counts[i]});
  }
  return bins;
}

}  // namespace

void Histogram::add_beyond(std::uint64_t value, std::uint64_t times) {
  if (value >= dense_limit_) {
    sparse_[value] += times;
    return;
  }
  dense_.resize(std::max<std::uint64_t>(value + 1, std::min<std::uint64_t>(2 * dense_.size(), dense_limit_)));
  dense_[value] += times;
}

void Histogram::merge(const Histogram& other) {
  other.for_each([this](std::uint64_t value, std::uint64_t times) { add(value, times); });
}

MetricSummary summarise(const Histogram& histogram, double divisor) {
  MetricSummary summary;
  Wide sum = 0;
  histogram.for_each([&](std::uint64_t value, std::uint64_t times) {
    summary.count += times;
    sum += Wide{value} * times;
  });
  if (summary.count == 0) {
    return summary;
  }
  const auto count = static_cast<double>(summary.count);
  summary.mean = static_cast<double>(sum) / (count * divisor);

  // Squares of distances from the whole number below the mean: they fit 128 bits where squares of values need not.
  const auto floor = static_cast<std::uint64_t>(sum / summary.count);
  const double above_floor = static_cast<double>(sum % summary.count) / count;
  const std::uint64_t rank = summary.count - summary.count / 20;  // ceil(0.95 count)
  Wide squares = 0;
  std::uint64_t passed = 0;
  histogram.for_each([&](std::uint64_t value, std::uint64_t times) {
    const std::uint64_t distance = value > floor ? value - floor : floor - value;
    squares += Wide{distance} * distance * times;
    if (passed < rank && passed + times >= rank) {
      summary.p95 = static_cast<double>(value) / divisor;
    }
    passed += times;
  });
  const double variance = static_cast<double>(squares) / count - above_floor * above_floor;
  summary.stddev = std::sqrt(std::max(variance, 0.0)) / divisor;
  summary.histogram = make_bins(histogram, divisor);
  return summary;
}

}  // namespace dsasim
