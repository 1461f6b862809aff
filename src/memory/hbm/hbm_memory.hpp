#pragma once

#include "dsasim/error.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "memory/hbm/dram_system.hpp"

#include <utility>

namespace dsasim {

/// A gather takes until the last of its lines has come from a bank-level memory: docs/memory-hbm.md.
class HbmMemory final : public MemoryModel {
 public:
  explicit HbmMemory(DramConfig config) : system_(std::move(config)) {}
  MemoryNeeds needs() const noexcept override { return {.row_bytes = true, .lines = true, .llc = true}; }
  double gather_ns(const Gather& gather) override {
    if (gather.lines.empty()) {
      if (gather.missed_rows > gather.llc_rows) {
        throw ConfigError("`memory`",
                          "hbm needs the addresses of the missed lines, and this command does not know them");
      }
      return 0;
    }
    const DramCounts counts = system_.run(gather.lines);
    return system_.config().overhead_ns + system_.ns(static_cast<double>(counts.last_return));
  }

 private:
  DramSystem system_;
};

}  // namespace dsasim
