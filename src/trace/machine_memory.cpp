#include "trace/machine_memory.hpp"

#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace dsasim::trace {
namespace {

constexpr const char* limit_variable = "DSASIM_MEMORY_BYTES";

std::string size_text(double bytes) {
  constexpr double mib = 1ULL << 20U;
  constexpr double gib = 1ULL << 30U;
  return bytes < gib ? fmt::format("{:.1f} MiB", bytes / mib) : fmt::format("{:.1f} GiB", bytes / gib);
}

/// The least number in the files `name` of `folder` and of the folders around it, up to `root`; "max" is no number.
std::optional<double> least_of(std::filesystem::path folder, const std::filesystem::path& root, const char* name) {
  std::optional<double> least;
  for (;; folder = folder.parent_path()) {
    std::string text;
    std::ifstream(folder / name) >> text;
    if (const auto bytes = number_of<std::uint64_t>(text)) {
      least = std::min(least.value_or(static_cast<double>(*bytes)), static_cast<double>(*bytes));
    }
    if (folder == root || !folder.has_relative_path()) {
      return least;
    }
  }
}

}  // namespace

void MemoryPlan::add(std::string_view part, double bytes) {
  const auto found = std::find_if(parts_.begin(), parts_.end(), [&](const auto& known) { return known.first == part; });
  if (found == parts_.end()) {
    parts_.emplace_back(part, bytes);
  } else {
    found->second += bytes;
  }
}

double MemoryPlan::bytes() const noexcept {
  double sum = 0;
  for (const auto& part : parts_) {
    sum += part.second;
  }
  return sum;
}

void MemoryPlan::require(const TraceReader& trace, std::string_view advice) const {
  const MachineMemory limit = machine_memory();
  if (bytes() <= limit.bytes) {
    return;
  }
  auto by_bytes = parts_;
  std::stable_sort(by_bytes.begin(), by_bytes.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string list;
  for (const auto& [part, bytes] : by_bytes) {
    if (bytes > limit.bytes / 100) {
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", part, size_text(bytes));
    }
  }
  throw SystemError(trace.name(), "needs {} of memory ({}), {} {}; {}", size_text(bytes()), list, limit.subject,
                    size_text(limit.bytes), advice);
}

MachineMemory machine_memory() {
  if (const char* text = std::getenv(limit_variable); text != nullptr) {
    const std::string_view given = text;
    const auto bytes = number_of<std::uint64_t>(given);
    if (!bytes) {
      throw ConfigError(limit_variable, "expected a number of bytes, found \"{}\"", given);
    }
    return {.bytes = static_cast<double>(*bytes), .subject = "the memory limit is"};
  }
  const double machine = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  const double most = machine > 0 ? machine : static_cast<double>(~std::uint64_t{0});
  const auto group = group_limit_bytes("/proc/self/cgroup", "/sys/fs/cgroup");
  return group && *group < most ? MachineMemory{.bytes = *group, .subject = "this control group has"}
                                : MachineMemory{.bytes = most, .subject = "this machine has"};
}

std::optional<double> group_limit_bytes(const std::filesystem::path& membership, const std::filesystem::path& root) {
  std::optional<double> least;
  std::ifstream lines(membership);
  // "0::/user.slice" of version 2, "4:memory:/docker/f00" of version 1
  for (std::string line; std::getline(lines, line);) {
    const std::size_t controllers = line.find(':') + 1;
    const std::size_t path = line.find(":/", controllers);
    if (controllers == 0 || path == std::string::npos) {
      continue;
    }
    const bool second = path == controllers;
    if (!second && line.compare(controllers, path - controllers, "memory") != 0) {
      continue;
    }
    const auto top = second ? root : root / "memory";
    const auto bytes = least_of(top / line.substr(path + 2), top, second ? "memory.max" : "memory.limit_in_bytes");
    least = bytes && least ? std::min(*bytes, *least) : (bytes ? bytes : least);
  }
  return least;
}

void require_held(const TraceReader& trace, const MachineMemory& limit) {
  double resident_pages = 0;
  double file_pages = 0;
  std::string virtual_pages;
  std::ifstream("/proc/self/statm") >> virtual_pages >> resident_pages >> file_pages;
  const double held = (resident_pages - file_pages) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  if (held > limit.bytes) {
    throw SystemError(trace.name(), "holds {} of memory, {} {}", size_text(held), limit.subject,
                      size_text(limit.bytes));
  }
}

double written_bytes(std::uint64_t places, double bytes_a_place, std::uint64_t writes) {
  constexpr double page_bytes = 4096;
  return std::min(static_cast<double>(places) * bytes_a_place, static_cast<double>(writes) * page_bytes);
}

}  // namespace dsasim::trace
