// dsasim_decode TRACE: decodes every id of a trace on one thread, and prints how fast. For traces too large for
// dsasim_bench, which repeats what it measures.

#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <exception>

namespace {

using namespace dsasim;

/// The sum of the first ids keeps the work from being left out, and tells one run's ids from another's.
std::uint64_t decode(const TraceReader& trace) {
  std::uint64_t sum = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
    while (cursor.next()) {
      for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
        const SelectionView selection = cursor.selection(layer);
        sum += selection.size == 0 ? 0 : value(selection.ids[0]);
      }
    }
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: dsasim_decode TRACE\n");
    return 2;
  }
  try {
    const auto start = std::chrono::steady_clock::now();
    const TraceReader trace(argv[1]);
    const std::uint64_t sum = decode(trace);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fmt::print("{} ids, {:.3f} bits an id, {:.1f} M ids/s (sum of first ids {})\n", trace.accesses(),
               8.0 * static_cast<double>(trace.file_bytes()) / static_cast<double>(trace.accesses()),
               static_cast<double>(trace.accesses()) / seconds / 1e6, sum);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "dsasim_decode: {}\n", error.what());
    return 2;
  }
}
