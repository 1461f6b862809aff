#include "dsasim/report/study_report.hpp"
#include "report/choice_name.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <iterator>

namespace dsasim {
namespace {

std::string mebibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 1048576);
}

std::string point_text(const StudyPoint& point) {
  return fmt::format(
      "`{}`, {}", short_name(point.policy),
      point.scope == Scope::shared ? "one cache for all layers and requests" : "a cache for each layer and request");
}

/// What a reservation is a part of.
std::string whole_text(const StudyResult& result) {
  return result.set_aside_bytes ? fmt::format("the {} that {} sets aside at most", mebibytes(result.reservable_bytes),
                                              result.config.gpu_name)
                                : fmt::format("the whole cache's {}", mebibytes(result.reservable_bytes));
}

std::string gain_of(const StudyResult& result, const StudyPoint& point, double cost_ns) {
  const double none_ns = result.nothing.tpot.mean_ns;
  return gain_text(none_ns - point.tpot.mean_ns + cost_ns, point.gain_error_ns, none_ns);
}

/// What a cache would gain that is made for the purpose, where the GPU's own set-aside costs something.
void append_uncharged(std::string& out, const StudyResult& result) {
  if (result.best_uncharged && result.points[*result.best_uncharged].set_aside_ns > 0) {
    const StudyPoint& point = result.points[*result.best_uncharged];
    fmt::format_to(std::back_inserter(out),
                   "In a cache that costs nothing to reserve, {} with {} would take {} off it; the set-aside costs "
                   "{:.2f}% of a token.\n",
                   mebibytes(point.reserved_bytes), point_text(point), gain_of(result, point, point.set_aside_ns),
                   100 * point.set_aside_ns / result.nothing.tpot.mean_ns);
  }
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
  if (!result.knee) {
    fmt::format_to(line,
                   "Reserve nothing: a token takes {}, and the best reservation ({} of {}, {}) takes {} off it, less "
                   "than 1%.\n",
                   token_text(none_ns), mebibytes(best.reserved_bytes), whole_text(result), point_text(best),
                   gain_of(result, best, 0));
  } else {
    const StudyPoint& knee = result.points[*result.knee];
    fmt::format_to(line, "Reserve {} of {}, {}: a token takes {} instead of {} ({} less), {:.1f}% of the rows miss.\n",
                   mebibytes(knee.reserved_bytes), whole_text(result), point_text(knee), token_text(knee.tpot.mean_ns),
                   token_text(none_ns), gain_of(result, knee, 0),
                   100 * static_cast<double>(knee.misses) / static_cast<double>(knee.accesses));
    fmt::format_to(line, "The smallest reservation with 90% of the best gain is {} with {}.\n",
                   token_text(best.tpot.mean_ns), mebibytes(best.reserved_bytes));
  }
  append_uncharged(out, result);
  if (result.perfect_gain) {
    fmt::format_to(line, "If every row hit, it would be {}{}.\n",
                   gain_text(result.perfect_gain->ns, result.perfect_gain->error_ns, none_ns),
                   best.set_aside_ns > 0 ? ", net of the set-aside" : "");
  }
  if (result.config.row_memory == RowMemory::gpu && !best.gain_error_ns) {
    fmt::format_to(line, "What hits take off was not measured with these kernels.\n");
  }
  if (result.belady) {
    const StudyPoint& belady = result.points[*result.belady];
    fmt::format_to(
        line, "`{}`, which knows the future, would miss {:.1f}% with {} and take {}; if every row hit: {}.\n",
        short_name(belady.policy), 100 * static_cast<double>(belady.misses) / static_cast<double>(belady.accesses),
        mebibytes(belady.reserved_bytes), token_text(belady.tpot.mean_ns), token_text(result.all_hit_tpot_ns));
  }
}

void append_row(std::string& out, const StudyResult& result, const StudyPoint& point, std::string_view policy) {
  const auto& points = result.points;
  const bool is_knee = result.knee && &point == &points[*result.knee];
  fmt::format_to(std::back_inserter(out), "{:<18} {:<8} {:>10} {:>7} {:>12} {:>9} {:>13} {:>16}{}\n", policy,
                 policy == "-" ? "-" : name_of(scope_names, point.scope), mebibytes(point.reserved_bytes),
                 grouped(point.caches), grouped(point.capacity_entries), ratio_text(point.misses, point.accesses),
                 token_text(point.tpot.mean_ns), gain_of(result, point, 0), is_knee ? "  knee" : "");
}

void append_gap(std::string& out, const StudyGap& gap) {
  fmt::format_to(std::back_inserter(out), "{:<18} {:<8} {:>10}  not tried: {}\n", short_name(gap.policy),
                 name_of(scope_names, gap.scope), mebibytes(gap.reserved_bytes), gap.reason);
}

/// Points and gaps in the order of the study.
void append_rows(std::string& out, const StudyResult& result) {
  append_row(out, result, result.nothing, "-");
  auto gap = result.gaps.begin();
  for (std::size_t i = 0; i <= result.points.size(); ++i) {
    for (; gap != result.gaps.end() && gap->before_point == i; ++gap) {
      append_gap(out, *gap);
    }
    if (i < result.points.size()) {
      append_row(out, result, result.points[i], short_name(result.points[i].policy));
    }
  }
}

}  // namespace

std::string study_text(const TraceReader& trace, const StudyResult& result) {
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{}\n{}", trace_text(trace), layers_text(trace, result.config, result.hidden_layers));
  fmt::format_to(line,
                 "{} on {}, {}; gathers by {}; an entry is {} bytes in a layer, {} in those that a layer of the trace "
                 "stands for\n",
                 result.config.model_name, result.config.gpu_name, kernels_text(result.config),
                 memory_text(result.config), result.config.entry_bytes, result.entry_cost_bytes);
  fmt::format_to(line, "The last-level cache has {}{}\n\n", mebibytes(result.llc_bytes),
                 result.set_aside_bytes
                     ? fmt::format(", of which at most {} can be set aside.", mebibytes(*result.set_aside_bytes))
                     : "; how much of it can be set aside is not known, so all of it is tried.");
  append_answer(out, result);
  fmt::format_to(line, "\n{:<18} {:<8} {:>10} {:>7} {:>12} {:>9} {:>13} {:>16}\n", "policy", "scope", "reserved",
                 "caches", "entries each", "misses", "TPOT", "gain");
  append_rows(out, result);
  return out;
}

}  // namespace dsasim
