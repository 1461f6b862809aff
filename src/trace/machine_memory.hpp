#pragma once

#include "dsasim/trace/reader.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim::trace {

/// The bytes of memory that this process may hold, and what says so, as a sentence goes on: "this machine has".
struct MachineMemory {
  double bytes = 0;
  std::string_view subject;
};

/// $DSASIM_MEMORY_BYTES; without it the less of the machine's memory and what its control groups grant this process, as
/// containers and Slurm have them. Throws ConfigError if $DSASIM_MEMORY_BYTES is no number.
MachineMemory machine_memory();

/// The least limit of the control groups that `membership` (/proc/self/cgroup) names and of those around them, in
/// `root` (/sys/fs/cgroup): memory.max of version 2, memory.limit_in_bytes of version 1. Nothing if there is none.
std::optional<double> group_limit_bytes(const std::filesystem::path& membership, const std::filesystem::path& root);

/// While a command works: throws SystemError if this process holds more than `limit`. Pages of files do not count,
/// since the system can take them back.
void require_held(const TraceReader& trace, const MachineMemory& limit);

/// What a command is going to hold in memory at once, part by part, to refuse what machine_memory() does not grant
/// before anything is done.
class MemoryPlan {
 public:
  void add(std::string_view part, double bytes);
  double bytes() const noexcept;

  /// Throws SystemError: "TRACE: needs 20.0 GiB of memory (directories 19.0 GiB, slots 1.0 GiB), this machine has
  /// 8.0 GiB; ADVICE".
  void require(const TraceReader& trace, std::string_view advice) const;

 private:
  std::vector<std::pair<std::string, double>> parts_;  ///< name and bytes
};

/// Of a ZeroedArray of which `writes` places are written, anywhere: whole pages, and no more than there are.
double written_bytes(std::uint64_t places, double bytes_a_place, std::uint64_t writes);

}  // namespace dsasim::trace
