#pragma once

#include "dsasim/trace/reader.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim::trace {

/// What a command is going to hold in memory at once, part by part, to refuse what the machine cannot give before
/// anything is done. $DSASIM_MEMORY_BYTES takes the place of the machine's memory.
class MemoryPlan {
 public:
  void add(std::string_view part, double bytes);
  double bytes() const noexcept;

  /// Throws SystemError: "TRACE: needs 20.0 GiB (directories 19.0 GiB, slots 1.0 GiB), this machine has 8.0 GiB;
  /// ADVICE".
  void require(const TraceReader& trace, std::string_view advice) const;

 private:
  std::vector<std::pair<std::string, double>> parts_;  ///< name and bytes
};

/// The limit that plans are compared with. Throws ConfigError if $DSASIM_MEMORY_BYTES is no number.
double memory_limit_bytes();

/// Of a ZeroedArray of which `writes` places are written, anywhere: whole pages, and no more than there are.
double written_bytes(std::uint64_t places, double bytes_a_place, std::uint64_t writes);

}  // namespace dsasim::trace
