#pragma once

// Every metric once more, from docs/metrics.md alone, as plainly as it can be written: sets, nested loops, and a list
// of all samples.

#include "dsasim/analysis/analysis.hpp"
#include "replay/reference_replay.hpp"
#include "replay/small_traces.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dsasim::test {

struct PlainSummary {
  std::uint64_t count = 0;
  double mean = 0;
  double p95 = 0;
  double stddev = 0;
};

inline PlainSummary plain_summary(std::vector<double> samples) {
  PlainSummary summary{.count = samples.size()};
  if (samples.empty()) {
    return summary;
  }
  const auto count = static_cast<long double>(samples.size());
  long double sum = 0;
  for (const double sample : samples) {
    sum += sample;
  }
  long double squares = 0;
  for (const double sample : samples) {
    squares += (sample - sum / count) * (sample - sum / count);
  }
  std::sort(samples.begin(), samples.end());
  const auto rank = static_cast<std::size_t>(std::ceil(0.95L * count - 1e-9L));
  summary.mean = static_cast<double>(sum / count);
  summary.stddev = static_cast<double>(std::sqrt(squares / count));
  summary.p95 = samples[rank - 1];
  return summary;
}

class ReferenceAnalysis {
 public:
  using Ids = std::set<std::uint32_t>;

  /// Nothing in `config` may be left to a default of the trace.
  ReferenceAnalysis(const PlainTrace& trace, const AnalysisConfig& config) : trace_(trace), config_(config) {
    k_ = static_cast<double>(std::max<std::uint64_t>(1, longest_selection(trace)));
    unit_ = trace.header.unit_tokens;
  }

  /// Samples by metric, of one layer or of all.
  std::map<std::string, std::vector<double>> samples(std::optional<std::uint32_t> only_layer) {
    samples_.clear();
    for (std::uint32_t layer = 0; layer < trace_.header.layers.size(); ++layer) {
      if (only_layer && *only_layer != layer) {
        continue;
      }
      for (std::uint32_t request = 0; request < trace_.requests.size(); ++request) {
        stream(request, layer);
      }
      pairs(layer);
    }
    return samples_;
  }

  std::uint64_t first_uses = 0;
  std::uint64_t runs_cut_off = 0;

 private:
  struct Selected {
    std::uint64_t query_token;
    Ids ids;
  };

  /// The step of the batch, if the request selects something in it and it is analysed.
  std::optional<Selected> at(std::uint32_t request, std::uint32_t layer, std::uint64_t step) const {
    const RequestInfo& info = trace_.header.requests[request];
    if (step < info.start_step || step >= info.start_step + trace_.requests[request].size() ||
        step < config_.steps->first || step >= config_.steps->last) {
      return std::nullopt;
    }
    const PlainSelection& ids = trace_.requests[request][step - info.start_step][layer];
    if (ids.empty()) {
      return std::nullopt;
    }
    return Selected{.query_token = info.prompt_tokens + step - info.start_step, .ids = Ids(ids.begin(), ids.end())};
  }

  static double overlap(const Ids& a, const Ids& b) {
    return static_cast<double>(std::count_if(a.begin(), a.end(), [&](auto id) { return b.count(id) > 0; }));
  }
  static double union_size(const std::vector<Selected>& steps, std::size_t first, std::size_t last) {
    Ids all;
    for (std::size_t t = first; t <= last; ++t) {
      all.insert(steps[t].ids.begin(), steps[t].ids.end());
    }
    return static_cast<double>(all.size());
  }
  void add(const std::string& metric, double value) { samples_[metric].push_back(value); }

  void stream(std::uint32_t request, std::uint32_t layer) {
    std::vector<Selected> steps;
    std::vector<Ids> layer_before;
    for (std::uint64_t step = 0; step < batch_steps(trace_); ++step) {
      if (const auto selected = at(request, layer, step)) {
        steps.push_back(*selected);
        const auto before = layer > 0 ? at(request, layer - 1, step) : std::nullopt;
        layer_before.push_back(before ? before->ids : Ids());
      }
    }
    for (std::size_t t = 0; t < steps.size(); ++t) {
      if (!layer_before[t].empty()) {
        add("inter_layer_overlap", overlap(steps[t].ids, layer_before[t]) / k_);
      }
      of_sets(steps, t);
      of_entries(steps, t);
      if (trace_.header.ids == IdKind::logical) {
        of_positions(steps, t);
      }
    }
  }

  void of_sets(const std::vector<Selected>& steps, std::size_t t) {
    const auto unions = [&](const std::string& name, std::size_t sets) {
      if (t + 1 >= sets) {
        add(name, union_size(steps, t + 1 - sets, t) / k_);
      }
    };
    for (const std::uint32_t window : config_.windows) {
      const std::uint32_t sets = window + (config_.inclusive_windows ? 1 : 0);
      unions(sets == 50 ? "working_set" : "working_set_" + std::to_string(sets), sets);
    }
    for (const std::uint32_t sets : config_.union_steps) {
      unions("union_" + std::to_string(sets), sets);
    }
    for (const std::uint32_t back : config_.overlap_steps) {
      if (t >= back) {
        add("step_overlap_" + std::to_string(back), overlap(steps[t].ids, steps[t - back].ids) / k_);
      }
    }
    if (t > 0) {
      const auto size = static_cast<double>(steps[t].ids.size());
      add("new_lookups", (size - overlap(steps[t].ids, steps[t - 1].ids)) / k_);
    }
  }

  void of_entries(const std::vector<Selected>& steps, std::size_t t) {
    for (const std::uint32_t id : steps[t].ids) {
      if (t == 0 || steps[t - 1].ids.count(id) == 0) {
        std::size_t end = t;
        while (end < steps.size() && steps[end].ids.count(id) > 0) {
          ++end;
        }
        add("persistence", static_cast<double>(end - t));
        runs_cut_off += t == 0 || end == steps.size() ? 1U : 0U;
      }
      std::size_t last = t;
      while (last > 0 && steps[last - 1].ids.count(id) == 0) {
        --last;
      }
      if (last == 0) {
        ++first_uses;
      } else {
        add("reuse_steps", static_cast<double>(t - (last - 1)));
        add("reuse_entries", union_size(steps, last - 1, t - 1));
      }
    }
  }

  void of_positions(const std::vector<Selected>& steps, std::size_t t) {
    const std::uint64_t query = steps[t].query_token;
    std::uint64_t lookbacks = 0;
    double sinks = 0;
    double recent = 0;
    Ids shifted;
    for (const std::uint32_t id : steps[t].ids) {
      // Of an entry that is being filled, the last token so far.
      const std::uint64_t last_token = std::min(std::uint64_t{id} * unit_ + unit_ - 1, query);
      add("lookback", static_cast<double>(query - last_token) / static_cast<double>(unit_) / k_);
      lookbacks += query - last_token;
      sinks += std::uint64_t{id} * unit_ < *config_.sink_tokens ? 1 : 0;
      recent += query - last_token < *config_.recent_tokens ? 1 : 0;
    }
    add("sink_share", sinks / k_);
    add("recent_share", recent / k_);
    const auto size = static_cast<double>(steps[t].ids.size());
    add("lookback_step_mean", static_cast<double>(lookbacks) / size / static_cast<double>(unit_) / k_);
    add("whole tokens of lookback_step_mean",
        std::floor(static_cast<double>(lookbacks) / size) / static_cast<double>(unit_) / k_);
    if (t >= unit_) {
      for (const std::uint32_t id : steps[t - unit_].ids) {
        shifted.insert(id + 1);
      }
      add("shifted_overlap", overlap(steps[t].ids, shifted) / k_);
    }
    pages(steps[t].ids);
  }

  void pages(const Ids& ids) {
    const auto entries_of = [&](std::uint32_t page_tokens) {
      std::map<std::uint64_t, double> entries;
      for (const std::uint32_t id : ids) {
        ++entries[std::uint64_t{id} * unit_ / page_tokens];
      }
      return entries;
    };
    for (const std::uint32_t tokens : config_.page_tokens) {
      if (tokens % unit_ == 0) {
        for (const auto& [page, entries] : entries_of(tokens)) {
          add(tokens == 16 ? "page_utilisation" : "page_utilisation_" + std::to_string(tokens),
              entries * static_cast<double>(unit_) / tokens);
        }
      }
    }
    for (const std::uint32_t tokens : config_.block_tokens) {
      if (tokens % unit_ == 0) {
        add("blocks_touched_" + std::to_string(tokens), static_cast<double>(entries_of(tokens).size()));
      }
    }
  }

  void pairs(std::uint32_t layer) {
    for (std::uint64_t step = 0; step < batch_steps(trace_); ++step) {
      for (std::uint32_t a = 0; a < trace_.requests.size(); ++a) {
        for (std::uint32_t b = a + 1; b < trace_.requests.size(); ++b) {
          const auto of_a = at(a, layer, step);
          const auto of_b = at(b, layer, step);
          if (of_a && of_b) {
            add("request_overlap", overlap(of_a->ids, of_b->ids) / k_);
          }
        }
      }
    }
  }

  const PlainTrace& trace_;
  AnalysisConfig config_;
  double k_ = 1;
  std::uint64_t unit_ = 1;
  std::map<std::string, std::vector<double>> samples_;
};

}  // namespace dsasim::test
