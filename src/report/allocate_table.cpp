#include "dsasim/report/allocate_report.hpp"
#include "report/choice_name.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <vector>

namespace dsasim {
namespace {

std::string context_text(double entries, const AllocateResult& result) {
  return result.context_entries == 0 ? "-"
                                     : fmt::format("{:.3f}", entries / static_cast<double>(result.context_entries));
}

/// The part of the accesses that misses, or "-" where it is nanoseconds that were added up.
std::string loss_ratio(const AllocateResult& result, std::uint64_t loss, std::uint64_t accesses) {
  return result.minimise == Minimise::misses ? ratio_text(loss, accesses) : "-";
}

void append_split(std::string& out, std::string_view name, const AllocateResult& result, const Allocation& allocation) {
  const auto& entries = allocation.capacity_entries;
  const auto [least, most] = std::minmax_element(entries.begin(), entries.end());
  const double mean = static_cast<double>(std::accumulate(entries.begin(), entries.end(), std::uint64_t{0})) /
                      static_cast<double>(entries.size());
  fmt::format_to(std::back_inserter(out), "{:<10} {:>15} {:>8} {:>15} {:>11} {:>10} {:>10} {:>8} {:>8} {:>8}\n", name,
                 grouped(allocation.predicted_total), loss_ratio(result, allocation.predicted_total, result.accesses),
                 grouped(allocation.cost), grouped(result.budget_cost - allocation.cost), grouped(*least),
                 grouped(*most), context_text(static_cast<double>(*least), result), context_text(mean, result),
                 context_text(static_cast<double>(*most), result));
}

std::string part_name(const AllocateResult& result, std::size_t part, std::size_t requests) {
  return result.over == Over::streams ? fmt::format("layer {} request {}", part / requests, part % requests)
                                      : fmt::format("layer {}", part);
}

/// Those that get least and most of the optimal split.
void append_parts(std::string& out, const AllocateResult& result, std::size_t requests) {
  std::vector<std::size_t> order(result.part_accesses.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return result.optimal.capacity_entries[a] < result.optimal.capacity_entries[b];
  });
  auto line = std::back_inserter(out);
  fmt::format_to(line, "\n{:<18} {:>12} {:>8} {:>14} {:>8} {:>14} {:>8}\n", "", "optimal", "ctx",
                 name_of(minimise_names, result.minimise), "ratio", "at uniform", "ratio");
  const std::size_t shown = order.size() <= 6 ? order.size() : 3;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t part = order[i];
    if (i < shown || i + shown >= order.size()) {
      const std::uint64_t entries = result.optimal.capacity_entries[part];
      const std::uint64_t optimal = result.optimal.predicted[part];
      const std::uint64_t uniform = result.uniform.predicted[part];
      const std::uint64_t accesses = result.part_accesses[part];
      fmt::format_to(line, "{:<18} {:>12} {:>8} {:>14} {:>8} {:>14} {:>8}\n", part_name(result, part, requests),
                     grouped(entries), context_text(static_cast<double>(entries), result), grouped(optimal),
                     loss_ratio(result, optimal, accesses), grouped(uniform), loss_ratio(result, uniform, accesses));
    } else if (i == shown) {
      fmt::format_to(line, "  ... {} {} between\n", order.size() - 2 * shown, name_of(over_names, result.over));
    }
  }
}

}  // namespace

std::string allocation_table(const TraceReader& trace, const AllocateResult& result) {
  const char* unit = result.budget_in_bytes ? "bytes" : "entries";
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{}\n", trace_text(trace));
  fmt::format_to(line, "{}, {}; {} {} over {} caches; greedy and optimal in multiples of {}\n\n",
                 to_string(result.config.asked.policy), scope_text(result.config.asked.scope),
                 grouped(result.budget_cost), unit, grouped(result.caches), grouped(result.granularity));
  fmt::format_to(line, "{:<10} {:>15} {:>8} {:>15} {:>11} {:>10} {:>10} {:>8} {:>8} {:>8}\n", "",
                 name_of(minimise_names, result.minimise), "ratio", unit, "unspent", "least", "most", "least", "mean",
                 "most ctx");
  for (const auto& [name, allocation] : result.splits()) {
    append_split(out, name, result, *allocation);
  }
  fmt::format_to(
      line, "\n{}\n",
      result.optimal.replayed ? "Replayed: each of the three comes to exactly these." : "Not replayed (--no-verify).");
  append_parts(out, result, trace.request_count());
  return out;
}

}  // namespace dsasim
