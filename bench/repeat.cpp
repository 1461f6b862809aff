// dsasim_repeat IN.dsat OUT.dsat N: a trace whose requests decode N times as many steps, the selections of IN over and
// over. Its ids stay valid, since contexts only grow. For measuring what depends on a trace's length and what does not.

#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"
#include "dsasim/trace/writer.hpp"

#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <exception>
#include <string_view>

namespace {

using namespace dsasim;

void repeat(const TraceReader& trace, TraceWriter& writer, std::uint32_t times) {
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    for (std::uint32_t time = 0; time < times; ++time) {
      RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
      while (cursor.next()) {
        for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
          const SelectionView selection = cursor.selection(layer);
          writer.append(request, {selection.ids, selection.size},
                        {selection.scores, trace.header().has_scores ? selection.size : 0});
        }
      }
    }
  }
  writer.finish();
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t times = 0;
  const std::string_view number = argc == 4 ? argv[3] : "";
  std::from_chars(number.data(), number.data() + number.size(), times);
  if (times == 0) {
    fmt::print(stderr, "usage: dsasim_repeat IN.dsat OUT.dsat N\n");
    return 2;
  }
  try {
    const TraceReader trace(argv[1]);
    TraceWriter writer(argv[2], trace.header());
    repeat(trace, writer, times);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "dsasim_repeat: {}\n", error.what());
    return 2;
  }
}
