#pragma once

#include "dsasim/curve/curve.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// Counts distances in bins: one each below 16, then four to an octave.
class DistanceBins {
 public:
  void add(std::uint64_t distance, std::uint64_t accesses) {
    if (counts_.empty()) {
      counts_.resize(bin_count);
    }
    counts_[bin_of(distance)] += accesses;
  }

  DistanceBins& operator+=(const DistanceBins& other) {
    counts_.resize(std::max(counts_.size(), other.counts_.size()));
    for (std::size_t bin = 0; bin < other.counts_.size(); ++bin) {
      counts_[bin] += other.counts_[bin];
    }
    return *this;
  }

  static constexpr std::size_t bin_count = 16 + 32 * 4;  ///< distances below 2^36
  static constexpr double bytes = bin_count * sizeof(std::uint64_t);

  std::vector<ReuseBin> bins() const {
    std::vector<ReuseBin> bins;
    for (std::size_t bin = 0; bin < counts_.size(); ++bin) {
      if (counts_[bin] != 0) {
        bins.push_back({.first = first_of(bin), .last = first_of(bin + 1) - 1, .accesses = counts_[bin]});
      }
    }
    return bins;
  }

 private:
  static std::size_t bin_of(std::uint64_t distance) noexcept {
    if (distance < 16) {
      return distance;
    }
    const auto octave = static_cast<unsigned>(std::bit_width(distance)) - 1;
    return 16 + (octave - 4) * std::size_t{4} + (distance >> (octave - 2) & 3U);
  }
  static std::uint64_t first_of(std::size_t bin) noexcept {
    return bin < 16 ? bin : (4 + (bin - 16) % 4) << ((bin - 16) / 4 + 2);
  }

  std::vector<std::uint64_t> counts_;  ///< empty until something is added: most streams have no histograms
};

/// What was counted of one layer's accesses, by reuse distance.
///
/// With capacities named, distances that the same of them hold are counted together: `class_of` has the class of each
/// distance below the largest capacity, all others are in the last. Otherwise each distance is a class.
class ReuseCounts {
 public:
  ReuseCounts(std::span<const std::uint32_t> class_of, std::uint32_t classes) : class_of_(class_of), counts_(classes) {}

  void add(std::uint64_t distance, std::uint64_t count) {
    if (!class_of_.empty()) {
      counts_[distance < class_of_.size() ? class_of_[distance] : counts_.size() - 1] += count;
      return;
    }
    if (distance >= counts_.size()) {
      counts_.resize(std::max<std::size_t>(distance + 1, counts_.size() * 3 / 2));
    }
    counts_[distance] += count;
  }

  /// By class.
  std::span<const std::uint64_t> counts() const noexcept { return counts_; }

  ReuseCounts& operator+=(const ReuseCounts& other) {
    counts_.resize(std::max(counts_.size(), other.counts_.size()));
    for (std::size_t i = 0; i < other.counts_.size(); ++i) {
      counts_[i] += other.counts_[i];
    }
    accesses += other.accesses;
    cold += other.cold;
    pinned += other.pinned;
    distance_entries += other.distance_entries;
    interval_steps += other.interval_steps;
    return *this;
  }

  std::uint64_t accesses = 0;
  std::uint64_t cold = 0;    ///< of entries never in the cache before
  std::uint64_t pinned = 0;  ///< hits of pinned entries, at any capacity
  DistanceBins distance_entries, interval_steps;

 private:
  std::span<const std::uint32_t> class_of_;
  std::vector<std::uint64_t> counts_;
};

}  // namespace dsasim
