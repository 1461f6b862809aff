#pragma once

#include "analysis/metric.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace dsasim {

/// The mean lookback of each selection. Means are fractions, which no histogram can hold apart in bounded memory: mean
/// and standard deviation are of the means to 2^-20 of a token, P95 and histogram of the means rounded down to tokens.
class LookbackStepMean final : public Metric {
 public:
  static void list(const MetricSetup& setup, MetricList& metrics) {
    metrics.add<LookbackStepMean>({.name = "lookback_step_mean", .unit = "k", .unavailable = setup.without_positions()},
                                  setup.top_k, setup.unit_tokens);
  }

  LookbackStepMean(std::uint32_t top_k, std::uint32_t unit_tokens)
      : divisor_(static_cast<double>(top_k) * unit_tokens), unit_tokens_(unit_tokens) {}

  void begin(const StreamShape& shape) override {
    positions_ = 0;
    id_limit_ = shape.id_limit;
  }

  void observe(const Observation& now) override {
    for (const Started& entry : now.started) {
      positions_ += position(entry.id);
    }
    for (const Ended& entry : now.ended) {
      positions_ -= position(entry.id);
    }
    const std::uint64_t lookbacks = now.ids.size() * now.query_token + tokens_to_come(now) - positions_;
    const auto mean = static_cast<std::uint64_t>((Wide{lookbacks} << fraction_bits) / now.ids.size());
    sum_ += mean;
    squares_ += Wide{mean} * mean;
    tokens_.add(mean >> fraction_bits);
  }

  void merge(const Metric& other) override {
    const auto& from = static_cast<const LookbackStepMean&>(other);
    sum_ += from.sum_;
    squares_ += from.squares_;
    tokens_.merge(from.tokens_);
  }

  MetricSummary summary() const override {
    MetricSummary summary = summarise(tokens_, divisor_);
    if (summary.count > 0) {
      const auto count = static_cast<double>(summary.count);
      const double scale = divisor_ * static_cast<double>(std::uint64_t{1} << fraction_bits);
      summary.mean = static_cast<double>(sum_) / (count * scale);
      // count * squares - sum^2 would need more than 128 bits: subtract the whole part of sum^2 / count first.
      const Wide mean = sum_ / summary.count;
      const Wide rest = sum_ % summary.count;
      const Wide centred = squares_ - mean * (sum_ + rest);
      const double off = static_cast<double>(rest) / count;
      const double variance = static_cast<double>(centred) / count - off * off;
      summary.stddev = std::sqrt(std::max(variance, 0.0)) / scale;
    }
    return summary;
  }

 private:
  __extension__ using Wide = unsigned __int128;
  static constexpr unsigned fraction_bits = 20;

  /// Of the entry's last token.
  std::uint64_t position(EntryId id) const noexcept { return (std::uint64_t{value(id)} + 1) * unit_tokens_ - 1; }

  /// That the selected entry lacks which is still being filled: its position is the query's.
  std::uint64_t tokens_to_come(const Observation& now) const noexcept {
    const std::uint64_t newest = now.query_token / unit_tokens_;
    return newest < id_limit_ && now.set->has(EntryId{static_cast<std::uint32_t>(newest)}) != 0
               ? unit_tokens_ - 1 - now.query_token % unit_tokens_
               : 0;
  }

  double divisor_;
  std::uint64_t unit_tokens_;
  std::uint64_t id_limit_ = 0;
  std::uint64_t positions_ = 0;  ///< sum over the current selection, in tokens
  Wide sum_ = 0;                 ///< of the means, in 2^-20 tokens
  Wide squares_ = 0;
  Histogram tokens_;
};

}  // namespace dsasim
