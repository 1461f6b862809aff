#include "dsasim/report/study_report.hpp"
#include "report/choice_name.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace dsasim {
namespace {

/// Below this a reservation is not worth its trouble.
constexpr double worth_while = 0.01;

std::string mebibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 1048576);
}

std::string point_text(const StudyPoint& point) {
  return fmt::format(
      "`{}`, {}", point.policy,
      point.scope == Scope::shared ? "one cache for all layers and requests" : "a cache for each layer and request");
}

double gain(const StudyResult& result, double tpot_ns) {
  return 1 - tpot_ns / result.nothing.tpot.mean_ns;
}

void append_answer(std::string& out, const StudyResult& result) {
  auto line = std::back_inserter(out);
  const double none_ns = result.nothing.tpot.mean_ns;
  if (!result.best) {
    fmt::format_to(line, "No reservation fits: an entry costs {} bytes in the layers it is of.\n",
                   result.entry_cost_bytes);
    return;
  }
  const StudyPoint& best = result.points[*result.best];
  const StudyPoint& knee = result.points[*result.knee];
  if (gain(result, best.tpot.mean_ns) < worth_while) {
    fmt::format_to(line,
                   "Reserve nothing: a token takes {}, and the best reservation ({} of {}, {}) takes {:.2f}% off it.\n",
                   token_text(none_ns), mebibytes(best.reserved_bytes), mebibytes(result.llc_bytes), point_text(best),
                   100 * gain(result, best.tpot.mean_ns));
  } else {
    fmt::format_to(line,
                   "Reserve {} of {}, {}: a token takes {} instead of {} ({:.1f}% less), {:.1f}% of the rows miss.\n",
                   mebibytes(knee.reserved_bytes), mebibytes(result.llc_bytes), point_text(knee),
                   token_text(knee.tpot.mean_ns), token_text(none_ns), 100 * gain(result, knee.tpot.mean_ns),
                   100 * static_cast<double>(knee.misses) / static_cast<double>(knee.accesses));
    fmt::format_to(line, "That is the knee: at least 90% of what the best gains, {} with {}.\n",
                   token_text(best.tpot.mean_ns), mebibytes(best.reserved_bytes));
  }
  if (result.belady) {
    const StudyPoint& belady = result.points[*result.belady];
    fmt::format_to(
        line, "Belady, who knows the future, would miss {:.1f}% with {} and take {}; if every row hit: {}.\n",
        100 * static_cast<double>(belady.misses) / static_cast<double>(belady.accesses),
        mebibytes(belady.reserved_bytes), token_text(belady.tpot.mean_ns), token_text(result.all_hit_tpot_ns));
  }
}

void append_row(std::string& out, const StudyResult& result, const StudyPoint& point, std::string_view policy) {
  const auto& points = result.points;
  const bool is_knee = result.knee && &point == &points[*result.knee];
  fmt::format_to(std::back_inserter(out), "{:<10} {:<8} {:>10} {:>12} {:>9} {:>13} {:>8.2f}%{}\n", policy,
                 policy == "-" ? "-" : name_of(scope_names, point.scope), mebibytes(point.reserved_bytes),
                 grouped(point.capacity_entries), ratio_text(point.misses, point.accesses),
                 token_text(point.tpot.mean_ns), 100 * gain(result, point.tpot.mean_ns), is_knee ? "  knee" : "");
}

}  // namespace

std::string study_text(const TraceReader& trace, const StudyResult& result) {
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line,
                 "{}\n{} on {}, gathers by {}; an entry is {} bytes in a layer, {} in those that a layer of the trace "
                 "stands for\n\n",
                 trace_text(trace), result.config.model_name, result.config.gpu_name, memory_text(result.config),
                 result.config.entry_bytes, result.entry_cost_bytes);
  append_answer(out, result);
  fmt::format_to(line, "\n{:<10} {:<8} {:>10} {:>12} {:>9} {:>13} {:>9}\n", "policy", "scope", "reserved", "entries",
                 "misses", "TPOT", "gain");
  append_row(out, result, result.nothing, "-");
  for (const StudyPoint& point : result.points) {
    append_row(out, result, point, point.policy);
  }
  return out;
}

}  // namespace dsasim
