#pragma once

#include "dsasim/trace/reader.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

// The five metrics of arXiv 2603.13430 (section 3, Table 3), as obviously as they can be written.

namespace dsasim::testing {

struct Figure {
  double mean = 0;
  double p95 = 0;  ///< nearest rank
  double deviation = 0;
};

inline Figure figure_of(std::vector<double> values) {
  Figure figure;
  for (const double value : values) {
    figure.mean += value / static_cast<double>(values.size());
  }
  for (const double value : values) {
    figure.deviation += (value - figure.mean) * (value - figure.mean) / static_cast<double>(values.size());
  }
  figure.deviation = std::sqrt(figure.deviation);
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(values.size())));
  figure.p95 = values[rank - 1];
  return figure;
}

struct PaperMetrics {
  Figure working_set;          ///< union of 50 selections, in units of k
  Figure persistence;          ///< steps of a run in the selection, those cut off by the ends included
  Figure lookback;             ///< of each access, in units of k
  Figure new_lookups;          ///< in units of k
  Figure inter_layer_overlap;  ///< with the layer before at the same step, in units of k
};

inline std::vector<std::vector<std::set<std::uint32_t>>> selections_of(const TraceReader& trace,
                                                                       std::uint32_t request) {
  std::vector<std::vector<std::set<std::uint32_t>>> by_step;
  RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
  while (cursor.next()) {
    by_step.emplace_back();
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      const SelectionView view = cursor.selection(layer);
      std::set<std::uint32_t>& ids = by_step.back().emplace_back();
      for (std::uint32_t i = 0; i < view.size; ++i) {
        ids.insert(ids.end(), value(view.ids[i]));
      }
    }
  }
  return by_step;
}

inline std::size_t common(const std::set<std::uint32_t>& a, const std::set<std::uint32_t>& b) {
  return static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](auto id) { return b.count(id) != 0; }));
}

inline PaperMetrics paper_metrics(const TraceReader& trace) {
  std::vector<double> working_set;
  std::vector<double> persistence;
  std::vector<double> lookback;
  std::vector<double> new_lookups;
  std::vector<double> overlap;
  const auto k = static_cast<double>(trace.longest_selection());
  const auto prompt = static_cast<double>(trace.header().requests[0].prompt_tokens);
  constexpr std::size_t window = 50;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    const auto selections = selections_of(trace, request);
    for (std::size_t layer = 0; layer < trace.layer_count(); ++layer) {
      std::map<std::uint32_t, std::size_t> in_window;
      std::map<std::uint32_t, std::size_t> run;
      for (std::size_t step = 0; step < selections.size(); ++step) {
        const std::set<std::uint32_t>& now = selections[step][layer];
        for (const std::uint32_t id : now) {
          ++in_window[id];
          ++run[id];
          lookback.push_back((prompt + static_cast<double>(step) - id) / k);
        }
        if (step >= window) {
          for (const std::uint32_t id : selections[step - window][layer]) {
            if (--in_window[id] == 0) {
              in_window.erase(id);
            }
          }
        }
        if (step + 1 >= window) {
          working_set.push_back(static_cast<double>(in_window.size()) / k);
        }
        if (step > 0) {
          const std::set<std::uint32_t>& before = selections[step - 1][layer];
          new_lookups.push_back(static_cast<double>(now.size() - common(now, before)) / k);
          for (const std::uint32_t id : before) {
            if (now.count(id) == 0) {
              persistence.push_back(static_cast<double>(run[id]));
              run.erase(id);
            }
          }
        }
        if (layer > 0) {
          overlap.push_back(static_cast<double>(common(now, selections[step][layer - 1])) / k);
        }
      }
      for (const auto& [id, steps] : run) {
        persistence.push_back(static_cast<double>(steps));
      }
    }
  }
  return {.working_set = figure_of(working_set),
          .persistence = figure_of(persistence),
          .lookback = figure_of(lookback),
          .new_lookups = figure_of(new_lookups),
          .inter_layer_overlap = figure_of(overlap)};
}

}  // namespace dsasim::testing
