#pragma once

#include "analysis/histogram.hpp"
#include "analysis/stream.hpp"
#include "dsasim/analysis/analysis.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

// The manual for whoever adds a metric. It is a header in metrics/ and a line in all_metrics.hpp: a class with
//
//   static void list(const MetricSetup& setup, MetricList& metrics)
//
// that lists a metric for each parameter the configuration asks for. Each layer of each job gets an object of its own,
// which sees one request after the other:
//
//   begin(shape)           a request's stream begins; forget what is known of the last one
//   observe(observation)   each of its selections, in order
//   end(open_runs)         after the last; not for a request without steps
//
// Objects are then merged, over jobs and over layers, and the sum is summarised. So a sample must not depend on other
// streams, and samples must be integers: what they are divided by is given to summarise().

class Metric {
 public:
  Metric() = default;
  virtual ~Metric() = default;
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

  /// Bytes that a stream of this shape will take, without histograms.
  virtual std::uint64_t state_bytes(const StreamShape& /*shape*/) const { return 0; }
  virtual void begin(const StreamShape& /*shape*/) {}
  virtual void observe(const Observation& observation) = 0;
  virtual void end(std::span<const Ended> /*open_runs*/) {}

  /// For metrics across requests: one layer's selections of all requests that select in a step of the batch. `scratch`
  /// is empty, and is to be left empty.
  virtual void observe_batch(std::span<const std::span<const EntryId>> /*selections*/, EntrySet& /*scratch*/) {}

  /// Adds the samples of another object of the same metric.
  virtual void merge(const Metric& other) = 0;
  virtual MetricSummary summary() const = 0;
};

/// A metric that is one histogram, of integers in units of 1 / divisor.
class SampledMetric : public Metric {
 public:
  explicit SampledMetric(double divisor, std::uint64_t dense_limit = Histogram::no_limit)
      : divisor_(divisor), samples_(dense_limit) {}

  void merge(const Metric& other) override { samples_.merge(static_cast<const SampledMetric&>(other).samples_); }
  MetricSummary summary() const override { return summarise(samples_, divisor_); }

 protected:
  void sample(std::uint64_t value, std::uint64_t times = 1) { samples_.add(value, times); }

 private:
  double divisor_;
  Histogram samples_;
};

/// What a metric can depend on.
struct MetricSetup {
  const AnalysisConfig& config;  ///< effective
  std::uint32_t top_k = 0;       ///< k: the longest selection of the trace
  std::uint32_t unit_tokens = 1;
  IdKind ids = IdKind::logical;

  /// For MetricInfo::unavailable of a metric that needs positions.
  std::string without_positions() const {
    return ids == IdKind::logical ? "" : "the ids are physical slots: their positions are unknown";
  }
};

struct MetricList {
  struct Entry {
    MetricInfo info;
    bool across_requests = false;  ///< fed by observe_batch() alone
    std::function<std::unique_ptr<Metric>()> make;
  };
  std::vector<Entry> entries;
  std::uint32_t history_depth = 1;  ///< selections that Observation::history must hold

  template <class M, class... Args>
  void add(const MetricInfo& info, Args... args) {
    entries.push_back({.info = info, .make = [args...] { return std::make_unique<M>(args...); }});
  }
};

}  // namespace dsasim
