// Request after request, a line an id: docs/formats.md.

#include "export/writers.hpp"
#include "import/float16.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace dsasim {
namespace {

void append_selection(std::string& out, const std::string& place, const SelectionView& selection, bool scores) {
  auto line = std::back_inserter(out);
  if (selection.size == 0) {
    fmt::format_to(line, "{}{}\n", place, scores ? "," : "");
  }
  for (std::uint32_t i = 0; i < selection.size; ++i) {
    fmt::format_to(line, "{}{}", place, value(selection.ids[i]));
    if (scores) {
      fmt::format_to(line, ",{}", double_from_float16(selection.scores[i]));
    }
    out.push_back('\n');
  }
}

}  // namespace

void write_csv(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink) {
  const bool scores = trace.header().has_scores;
  const StepRange batch = effective_config(trace, config).steps;
  ExportBuffer buffer(sink);
  const bool queries = trace.header().has_queries;
  buffer.bytes() = fmt::format("request,step,{}layer,id{}\n", queries ? "query,accepted," : "", scores ? ",score" : "");
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    const StepRange steps = steps_of(trace, request, batch);
    RequestCursor cursor(trace, request, steps.first, steps.last);
    const std::uint64_t start = trace.header().requests[request].start_step;
    for (std::uint64_t step = start + steps.first; cursor.next(); ++step) {
      const std::uint32_t accepted = cursor.queries().accepted;
      for (std::uint32_t query = 0; query < cursor.queries().queries; ++query) {
        const std::string place = queries ? fmt::format("{},{},{},{},", request, step, query, accepted)
                                          : fmt::format("{},{},", request, step);
        for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
          append_selection(buffer.bytes(), fmt::format("{}{},", place, layer), cursor.selection_of(query, layer),
                           scores);
        }
      }
      buffer.flush_if_full();
    }
  }
  buffer.flush();
}

StepRange steps_of(const TraceReader& trace, std::uint32_t request, StepRange batch) {
  const std::uint64_t start = trace.header().requests[request].start_step;
  const std::uint64_t end = start + trace.extent(request).steps;
  const std::uint64_t first = std::clamp(batch.first, start, end);
  return {.first = first - start, .last = std::clamp(batch.last, first, end) - start};
}

}  // namespace dsasim
