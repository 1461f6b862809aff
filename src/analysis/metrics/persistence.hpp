#pragma once

#include "analysis/metric.hpp"

#include <cstdint>

namespace dsasim {

/// How many steps an entry stays selected. Runs that the first or the last step cuts off count with the length that was
/// seen, and are also counted apart.
class Persistence final : public Metric {
 public:
  static void list(const MetricSetup& /*setup*/, MetricList& metrics) {
    metrics.add<Persistence>({.name = "persistence", .unit = "steps"});
  }

  void observe(const Observation& now) override {
    for (const Ended& run : now.ended) {
      if (run.length == now.step) {
        cut_off_.add(run.length);
      } else {
        whole_.add(run.length);
      }
    }
  }

  void end(std::span<const Ended> open_runs) override {
    for (const Ended& run : open_runs) {
      cut_off_.add(run.length);
    }
  }

  void merge(const Metric& other) override {
    whole_.merge(static_cast<const Persistence&>(other).whole_);
    cut_off_.merge(static_cast<const Persistence&>(other).cut_off_);
  }

  MetricSummary summary() const override {
    Histogram runs = whole_;
    runs.merge(cut_off_);
    MetricSummary summary = summarise(runs, 1);
    const MetricSummary whole = summarise(whole_, 1);
    summary.extra.push_back({.name = "runs_cut_off", .value = summary.count - whole.count});
    summary.extra.push_back({.name = "mean_without_cut_off", .value = {}});
    if (whole.count > 0) {
      summary.extra.back().value = whole.mean;
    }
    return summary;
  }

 private:
  Histogram whole_{Histogram::steps_limit};
  Histogram cut_off_{Histogram::steps_limit};
};

}  // namespace dsasim
