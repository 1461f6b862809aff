#include "trace/machine_memory.hpp"

#include "dsasim/error.hpp"

#include <unistd.h>

namespace dsasim::trace {

void require_memory(const TraceReader& trace, double bytes, std::string_view what, std::string_view how) {
  const double machine = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGE_SIZE));
  if (machine > 0 && bytes > machine) {
    constexpr double gib = 1ULL << 30U;
    throw SystemError(trace.name(), "{} need {:.1f} GiB{}, this machine has {:.1f} GiB", what, bytes / gib, how,
                      machine / gib);
  }
}

}  // namespace dsasim::trace
