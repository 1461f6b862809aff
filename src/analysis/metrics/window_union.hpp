#pragma once

#include "analysis/metric.hpp"

#include <cstdint>
#include <vector>

namespace dsasim {

/// The size of the union of the last `sets` selections, once there are so many. Kept up to date from the differences
/// alone: an entry joins when it starts and is not in the union yet, and leaves `sets` steps after it was last
/// selected.
class WindowUnion : public SampledMetric {
 public:
  WindowUnion(std::uint32_t sets, double top_k) : SampledMetric(top_k), sets_(sets) {}

  std::uint64_t state_bytes(const StreamShape& /*shape*/) const override { return sets_ * sizeof(std::uint32_t); }

  void begin(const StreamShape& /*shape*/) override {
    leaving_.assign(sets_, 0);
    size_ = 0;
    slot_ = 0;
  }

  void observe(const Observation& now) override {
    const std::uint32_t slot_before = slot_;
    slot_ = now.step % sets_;
    leaving_[slot_before] += static_cast<std::uint32_t>(now.ended.size());
    size_ -= leaving_[slot_];
    leaving_[slot_] = 0;
    for (const Started& entry : now.started) {
      if (entry.age < sets_) {  // it is back before it has left
        --leaving_[slot_ >= entry.age ? slot_ - entry.age : slot_ + sets_ - entry.age];
      } else {
        ++size_;
      }
    }
    if (now.step + 1 >= sets_) {
      sample(size_);
    }
  }

 private:
  std::uint32_t sets_;
  std::vector<std::uint32_t> leaving_;  ///< by step modulo sets_: entries of the union last selected then, and not now
  std::uint64_t size_ = 0;
  std::uint32_t slot_ = 0;
};

}  // namespace dsasim
