#pragma once

#include "dsasim/memory/memory_model.hpp"

namespace dsasim {

/// Every missed page costs the same latency, one after the other: the cost model of N. Levy, arXiv 2603.13430, Table 4
/// (200 ns a miss; misses that fall in one page cost one). It bounds the time from above: a GPU overlaps its misses.
class SerialMemory final : public MemoryModel {
 public:
  explicit SerialMemory(double miss_ns) : miss_ns_(miss_ns) {}
  double gather_ns(const Gather& gather) override { return static_cast<double>(gather.missed_pages) * miss_ns_; }

 private:
  double miss_ns_;
};

}  // namespace dsasim
