#include "replay/step_timing.hpp"

#include "dsasim/checked.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace dsasim {
namespace {

/// Other data that is no model's, read before each layer's gather: `--llc-stream`.
constexpr std::uint64_t other_address = std::uint64_t{1} << 60U;

constexpr std::string_view step_ns = "the time of a step";  // to name what overflows

}  // namespace

StepTiming::StepTiming(const TraceReader& trace, const EffectiveConfig& effective, const ReplayHooks& hooks)
    : trace_(trace), effective_(effective), hooks_(hooks), gather_cost_(trace, effective, hooks) {
  if (effective.asked.step.times_steps()) {
    step_.emplace(effective.asked.step, trace.header());
    result_.layers.resize(trace.layer_count());
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      result_.hidden_layers.push_back(step_->hidden_layers(layer));
    }
  }
}

void StepTiming::time(std::span<StepRow> rows, std::span<const std::vector<EntryId>> missed, bool counted) {
  const std::uint32_t layer = rows.front().layer;
  DecodeStep::StreamHits hits;
  if (step_) {
    take_queries(rows);
  }
  if (gather_cost_.has_llc()) {
    read_streams(layer, hits);
  }
  const std::uint64_t gather_ns = gather_cost_.price(layer, rows, missed, counted);
  if (step_) {
    add_layer(rows, gather_ns, hits, counted);
  }
}

void StepTiming::take_queries(std::span<const StepRow> rows) {
  queries_.clear();
  for (const StepRow& row : rows) {
    const RequestInfo& request = trace_.header().requests[row.request];
    queries_.push_back({.request = row.request,
                        .context_tokens = request.prompt_tokens + (row.step - request.start_step) + 1,
                        .selected_entries = row.counters.accesses});
  }
}

/// In the order of a layer: the keys that its indexer scans come right before its gather, its weights after those of
/// the layer before.
void StepTiming::read_streams(std::uint32_t layer, DecodeStep::StreamHits& hits) {
  if (effective_.asked.llc_stream_bytes > 0) {
    const std::uint64_t bytes = effective_.asked.llc_stream_bytes;
    gather_cost_.read_stream({.address = other_address + layer * bytes, .bytes = bytes});
  }
  if (!step_) {
    return;
  }
  hits.weight_bytes = gather_cost_.read_stream(step_->weight_stream(layer, queries_.size()));
  step_->indexer_streams(layer, queries_, streams_);
  for (const ByteStream& stream : streams_) {
    hits.indexer_bytes += gather_cost_.read_stream(stream);
  }
}

std::uint64_t StepTiming::of_hidden_layers(std::uint32_t layer, std::uint64_t group_ns) const {
  const std::uint64_t group_size = trace_.header().layers[layer].group_size;
  __extension__ using Wide = unsigned __int128;
  return checked_narrow((Wide{group_ns} * step_->hidden_layers(layer) + group_size / 2) / group_size, "gather_ns");
}

void StepTiming::add_layer(std::span<const StepRow> rows, std::uint64_t gather_ns, const DecodeStep::StreamHits& hits,
                           bool counted) {
  const std::uint32_t layer = rows.front().layer;
  const Overlap overlap = effective_.asked.step.overlap;
  std::uint64_t accesses = 0;
  for (const StepQuery& query : queries_) {
    accesses += query.selected_entries;
  }
  PartTimes times = step_->parts(layer, queries_, hits);
  times.gather_ns = of_hidden_layers(layer, gather_cost_.all_hit_ns(layer, accesses));
  current_.all_hit_ns = checked_sum(current_.all_hit_ns, times.total_ns(overlap), step_ns);
  times.gather_ns =
      step_->contiguous_ns(layer, checked_product(accesses, effective_.entry_bytes, "the selected bytes"));
  current_.contiguous_ns = checked_sum(current_.contiguous_ns, times.total_ns(overlap), step_ns);
  times.gather_ns = of_hidden_layers(layer, gather_ns);
  current_.actual_ns = checked_sum(current_.actual_ns, times.total_ns(overlap), step_ns);
  if (!counted) {
    return;
  }
  result_.layers[layer] += times;
  if (hooks_.on_times) {
    hooks_.on_times({.step = rows.front().step, .layer = layer, .times = times, .total_ns = times.total_ns(overlap)});
  }
}

void StepTiming::end_step(bool counted) {
  if (!step_) {
    return;
  }
  if (gather_cost_.has_llc()) {
    gather_cost_.read_stream(step_->other_stream(queries_.size()));
  }
  const std::uint64_t other_ns = step_->other_ns(queries_);
  const auto add_step = [other_ns](std::uint64_t ns, std::uint64_t& sum) {
    sum = checked_sum(sum, checked_sum(ns, other_ns, step_ns), "the time of all steps");
  };
  if (counted) {
    result_.other_ns = checked_sum(result_.other_ns, other_ns, "other_ns");
    add_step(current_.actual_ns, sums_.actual_ns);
    add_step(current_.all_hit_ns, sums_.all_hit_ns);
    add_step(current_.contiguous_ns, sums_.contiguous_ns);
    step_ns_.push_back(checked_sum(current_.actual_ns, other_ns, step_ns));
  }
  current_ = {};
}

std::optional<StepTimes> StepTiming::finish() {
  if (!step_) {
    return std::nullopt;
  }
  for (const PartTimes& layer : result_.layers) {
    result_.totals += layer;
  }
  const auto ratio = [&](std::uint64_t ns) {
    return ns == 0 ? 0.0 : static_cast<double>(sums_.actual_ns) / static_cast<double>(ns);
  };
  result_.slowdown_all_hit = ratio(sums_.all_hit_ns);
  result_.slowdown_contiguous = ratio(sums_.contiguous_ns);
  result_.tpot = summarise(std::move(step_ns_));
  return std::move(result_);
}

}  // namespace dsasim
