#include "trace/machine_memory.hpp"

#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace dsasim::trace {
namespace {

constexpr const char* limit_variable = "DSASIM_MEMORY_BYTES";

std::string gib_text(double bytes) {
  constexpr double gib = 1ULL << 30U;
  return fmt::format("{:.1f} GiB", bytes / gib);
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
  const double limit = memory_limit_bytes();
  if (bytes() <= limit) {
    return;
  }
  auto by_bytes = parts_;
  std::stable_sort(by_bytes.begin(), by_bytes.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string list;
  for (const auto& [part, bytes] : by_bytes) {
    if (bytes > limit / 100) {
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", part, gib_text(bytes));
    }
  }
  throw SystemError(trace.name(), "needs {} of memory ({}), {} {}; {}", gib_text(bytes()), list,
                    std::getenv(limit_variable) != nullptr ? "$DSASIM_MEMORY_BYTES is" : "this machine has",
                    gib_text(limit), advice);
}

double memory_limit_bytes() {
  if (const char* text = std::getenv(limit_variable); text != nullptr) {
    const std::string_view given = text;
    const auto bytes = number_of<std::uint64_t>(given);
    if (!bytes) {
      throw ConfigError(limit_variable, "expected a number of bytes, found \"{}\"", given);
    }
    return static_cast<double>(*bytes);
  }
  const double machine = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  return machine > 0 ? machine : static_cast<double>(~std::uint64_t{0});
}

double written_bytes(std::uint64_t places, double bytes_a_place, std::uint64_t writes) {
  constexpr double page_bytes = 4096;
  return std::min(static_cast<double>(places) * bytes_a_place, static_cast<double>(writes) * page_bytes);
}

}  // namespace dsasim::trace
