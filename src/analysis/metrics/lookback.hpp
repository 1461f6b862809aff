#pragma once

#include "analysis/metric.hpp"

#include <cstdint>
#include <vector>

namespace dsasim {

/// How far back each access reaches: from the query's position to the entry's, to its last token where it has several.
/// Of an entry that is still being filled that is the query's own.
///
/// While an entry stays selected its distance grows by one with every step, so a run of steps adds one access to each
/// distance of a range. Only the ends of the ranges are noted, and summed up in the end. Steps that are passed over end
/// a range, too.
class Lookback final : public Metric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    metrics.add<Lookback>({.name = "lookback", .unit = "k", .unavailable = setup.without_positions()}, setup.top_k,
                          setup.unit_tokens);
  }

  Lookback(std::uint32_t top_k, std::uint32_t unit_tokens)
      : divisor_(static_cast<double>(top_k) * unit_tokens), unit_tokens_(unit_tokens) {}

  std::uint64_t state_bytes(const StreamShape& shape) const override {
    return shape.context_tokens * sizeof(std::uint64_t);
  }

  void begin(const StreamShape& shape) override {
    if (changes_.size() < shape.context_tokens + 1) {
      changes_.resize(shape.context_tokens + 1);
    }
  }

  void observe(const Observation& now) override {
    if (now.step > 0 && now.query_token != query_token_ + 1) {
      ++query_token_;
      for (const EntryId id : now.history->ids(1)) {
        --changes_[place(id)];
      }
      query_token_ = now.query_token;
      for (const EntryId id : now.ids) {
        ++changes_[place(id)];
      }
      return;
    }
    query_token_ = now.query_token;
    for (const Started& entry : now.started) {
      ++changes_[place(entry.id)];
    }
    for (const Ended& entry : now.ended) {
      --changes_[place(entry.id)];  // the first that the run does not reach: its last was a step ago
    }
  }

  void end(std::span<const Ended> open_runs) override {
    ++query_token_;
    for (const Ended& entry : open_runs) {
      --changes_[place(entry.id)];
    }
  }

  void merge(const Metric& other) override {
    const auto& changes = static_cast<const Lookback&>(other).changes_;
    changes_.resize(std::max(changes_.size(), changes.size()));
    for (std::size_t i = 0; i < changes.size(); ++i) {
      changes_[i] += changes[i];
    }
  }

  MetricSummary summary() const override {
    Histogram samples;
    std::uint64_t accesses = 0;
    for (std::size_t place = 0; place < changes_.size(); ++place) {
      accesses += changes_[place];
      samples.add(place < unit_tokens_ ? 0 : place + 1 - unit_tokens_, accesses);
    }
    return summarise(samples, divisor_);
  }

 private:
  /// The distance to the entry's first token: it never lies ahead, as the last of an entry that is being filled does.
  std::uint64_t place(EntryId id) const noexcept { return query_token_ - std::uint64_t{value(id)} * unit_tokens_; }

  double divisor_;
  std::uint64_t unit_tokens_;
  std::uint64_t query_token_ = 0;
  /// By place(): accesses there less those at the one before, modulo 2^64.
  std::vector<std::uint64_t> changes_;
};

}  // namespace dsasim
