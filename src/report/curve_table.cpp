#include "dsasim/report/curve_report.hpp"
#include "dsasim/report/text_plot.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

/// Misses at a capacity between two points are those at the lower.
std::uint64_t misses_at(const Curve& curve, std::uint64_t capacity_entries) {
  const auto after = std::upper_bound(
      curve.points.begin(), curve.points.end(), capacity_entries,
      [](std::uint64_t capacity, const CurvePoint& point) { return capacity < point.capacity_entries; });
  return after == curve.points.begin() ? curve.accesses : std::prev(after)->misses;
}

/// Of very many points, what the curve comes to at 2, 3, 4, 6, 8, 12, ... wherever that differs, and the last.
std::vector<CurvePoint> shown_points(const Curve& curve, bool named) {
  if (named) {
    return curve.points;
  }
  std::vector<CurvePoint> shown;
  const auto show = [&](const CurvePoint& point) {
    if (point.misses != (shown.empty() ? curve.accesses : shown.back().misses)) {
      shown.push_back(point);
    }
  };
  for (std::uint64_t capacity = 2; capacity <= curve.points.back().capacity_entries; capacity *= 2) {
    show({.capacity_entries = capacity, .misses = misses_at(curve, capacity)});
    const std::uint64_t between = capacity + capacity / 2;
    if (between < curve.points.back().capacity_entries) {
      show({.capacity_entries = between, .misses = misses_at(curve, between)});
    }
  }
  show(curve.points.back());
  return shown;
}

/// The miss ratios of the layers that miss least and most, at the i-th point or, where all capacities are there, at
/// this.
std::pair<std::string, std::string> layer_range(const CurveResult& result, std::size_t i, std::uint64_t capacity) {
  const Curve* least = nullptr;
  const Curve* most = nullptr;
  const bool named = !result.capacities.empty();
  const auto misses = [&](const Curve& layer) { return named ? layer.points[i].misses : misses_at(layer, capacity); };
  const auto less = [&](const Curve& a, const Curve& b) {
    return static_cast<double>(misses(a)) * static_cast<double>(b.accesses) <
           static_cast<double>(misses(b)) * static_cast<double>(a.accesses);
  };
  for (const Curve& layer : result.layers) {
    if (layer.accesses != 0) {
      least = least == nullptr || less(layer, *least) ? &layer : least;
      most = most == nullptr || less(*most, layer) ? &layer : most;
    }
  }
  return least == nullptr
             ? std::pair<std::string, std::string>("-", "-")
             : std::pair(ratio_text(misses(*least), least->accesses), ratio_text(misses(*most), most->accesses));
}

/// A capacity as it was named, unless that says no more than the entries do.
std::string written(const Capacity& capacity) {
  return capacity.is_of_all()                         ? fmt::format("({} in all)", capacity.text())
         : capacity.unit() != Capacity::Unit::entries ? fmt::format("({})", capacity.text())
                                                      : "";
}

}  // namespace

std::string curve_table(const TraceReader& trace, const CurveResult& result) {
  const Curve& total = result.total;
  const bool named = !result.capacities.empty();
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{}\n", trace_text(trace));
  fmt::format_to(line, "{}, {}; {} accesses, {} compulsory misses\n\n", to_string(result.config.asked.policy),
                 caches_text(result.config.asked), grouped(total.accesses), grouped(total.compulsory_misses));
  const std::uint64_t caches = cache_count(trace, result.config.asked.scope);
  const bool bytes = result.config.entry_bytes != 0;
  fmt::format_to(line, "{:>12} {:>16} {:>15} {:>15} {:>8} {:>12} {:>11}\n", "of a cache", "",
                 caches == 1 ? "of the cache" : fmt::format("of all {}", grouped(caches)), "misses", "ratio",
                 "best layer", "worst layer");
  const auto points = shown_points(total, named);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto [least, most] = layer_range(result, i, points[i].capacity_entries);
    const Reservation reservation =
        named ? result.reservations[i] : reservation_of(trace, result.config, std::array{points[i].capacity_entries});
    fmt::format_to(line, "{:>12} {:>16} {:>15} {:>15} {:>8} {:>12} {:>11}\n", grouped(points[i].capacity_entries),
                   named ? written(result.capacities[i]) : "",
                   bytes ? bytes_text(static_cast<double>(*reservation.bytes)) : grouped(reservation.entries),
                   grouped(points[i].misses), ratio_text(points[i].misses, total.accesses), least, most);
  }
  if (!named) {
    fmt::format_to(line, "\nMisses change at {} capacities; --json has them all.\n", grouped(total.points.size()));
  }
  return out;
}

std::string curve_plot(const CurveResult& result, unsigned columns) {
  TextLine line{.name = to_string(result.config.asked.policy), .points = {}, .holds = result.capacities.empty()};
  for (const CurvePoint& point : result.total.points) {
    if (point.capacity_entries > 0 && result.total.accesses > 0) {
      line.points.push_back({.x = static_cast<double>(point.capacity_entries),
                             .y = static_cast<double>(point.misses) / static_cast<double>(result.total.accesses)});
    }
  }
  std::sort(line.points.begin(), line.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  return text_plot(std::array{std::move(line)}, columns);
}

}  // namespace dsasim
