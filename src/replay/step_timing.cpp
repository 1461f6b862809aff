#include "replay/step_timing.hpp"

#include "dsasim/checked.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace dsasim {
namespace {

/// Other data that is no model's, read before each layer's gather: `--llc-stream`.
constexpr std::uint64_t other_address = std::uint64_t{1} << 60U;

constexpr std::string_view step_ns = "the time of a step";  // to name what overflows

}  // namespace

StepTiming::Deployed::Deployed(const StepSpec& spec, const TraceHeader& header)
    : model(load_model(spec.model)),
      gpu(load_gpu(spec.gpu)),
      table(KernelTable::load(spec.kernels, gpu)),
      hidden(model, header),
      kernels(model, gpu, table, spec.deployment),
      streams(model, hidden, spec.deployment.tensor_parallel, header.requests.size()),
      energy(model, spec.deployment) {}

StepTiming::StepTiming(const TraceReader& trace, const EffectiveConfig& effective, const ReplayHooks& hooks)
    : trace_(trace), effective_(effective), hooks_(hooks), gather_cost_(trace, effective, hooks) {
  if (!effective.asked.step.times_steps()) {
    return;
  }
  deployed_.emplace(effective.asked.step, trace.header());
  priced_.resize(deployed_->kernels.types().size());
  result_.layers.resize(trace.layer_count());
  types_of_.resize(trace.layer_count());
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    const auto hidden = deployed_->hidden.of(layer);
    result_.hidden_layers.push_back(static_cast<std::uint32_t>(hidden.size()));
    for (std::size_t type = 0; type < priced_.size(); ++type) {
      const auto layers = std::count_if(hidden.begin(), hidden.end(),
                                        [&](std::size_t one) { return deployed_->kernels.type_of()[one] == type; });
      if (layers > 0) {
        types_of_[layer].push_back({.type = type, .layers = static_cast<std::uint32_t>(layers)});
      }
    }
  }
}

void StepTiming::time(std::span<StepRow> rows, std::span<const std::vector<EntryId>> missed, bool counted) {
  const std::uint32_t layer = rows.front().layer;
  if (deployed_) {
    take_queries(rows);
    if (queries_.empty()) {
      return;  // all requests pause
    }
  }
  if (gather_cost_.has_llc()) {
    read_streams(layer);
  }
  const GatherPrice gather = gather_cost_.price(layer, rows, missed, counted);
  if (deployed_) {
    add_layer(rows, gather, counted);
  }
}

DecodeStep StepTiming::step_of(const StepRow& row) const {
  return trace_.queries(row.request, row.step - trace_.header().requests[row.request].start_step);
}

/// Every query of a request goes through the kernels as a request of one query does.
void StepTiming::take_queries(std::span<const StepRow> rows) {
  queries_.clear();
  selected_rows_ = 0;
  accepted_now_ = 0;
  requests_now_ = 0;
  sums_of_queries_ = {};
  for (const StepRow& row : rows) {
    const DecodeStep step = step_of(row);
    for (std::uint32_t query = 0; query < step.queries; ++query) {
      const std::uint64_t context = step.seen_by(query);
      queries_.push_back({.request = row.request, .context_tokens = context});
      sums_of_queries_.longest_tokens = std::max(sums_of_queries_.longest_tokens, context);
      sums_of_queries_.context_tokens += context;
    }
    selected_rows_ += row.counters.accesses;
    accepted_now_ += step.accepted;
    requests_now_ += step.queries > 0 ? 1 : 0;
  }
  sums_of_queries_.batch = queries_.size();
}

/// In the order of a layer: the keys that its indexer scans come right before its gather, its weights after those of
/// the layer before.
void StepTiming::read_streams(std::uint32_t layer) {
  if (effective_.asked.llc_stream_bytes > 0) {
    const std::uint64_t bytes = effective_.asked.llc_stream_bytes;
    gather_cost_.read_stream({.address = other_address + layer * bytes, .bytes = bytes});
  }
  if (!deployed_) {
    return;
  }
  gather_cost_.read_stream(deployed_->streams.weights(layer, queries_.size()));
  deployed_->streams.indexer_keys(layer, queries_, streams_);
  for (const ByteStream& stream : streams_) {
    gather_cost_.read_stream(stream);
  }
}

std::uint64_t StepTiming::of_hidden_layers(std::uint32_t layer, std::uint64_t group_ns) const {
  const std::uint64_t group_size = trace_.header().layers[layer].group_size;
  __extension__ using Wide = unsigned __int128;
  return checked_narrow((Wide{group_ns} * result_.hidden_layers[layer] + group_size / 2) / group_size, "gather_ns");
}

void StepTiming::price_types(const SelectedRows& selected) {
  if (priced_queries_ == sums_of_queries_ && priced_rows_ == selected) {
    return;
  }
  priced_queries_ = sums_of_queries_;
  priced_rows_ = selected;
  const StepKernels& kernels = deployed_->kernels;
  for (std::size_t type = 0; type < priced_.size(); ++type) {
    const ModelLayer& layer = kernels.types()[type];
    const auto attention = [&](double cold, bool set_aside) {
      return rounded(kernels.attention_ns(layer, sums_of_queries_, selected, cold, set_aside), "attention_ns");
    };
    TypePrice& price = priced_[type];
    price.cold = kernels.layer(layer, sums_of_queries_, selected);
    price.hot_ns = attention(0, false);
    price.set_aside_ns = effective_.counts_set_aside ? attention(0, true) - price.hot_ns : 0;
  }
}

std::uint64_t StepTiming::attention_ns(std::size_t type, double cold) const {
  if (cold == 0 || cold == 1) {
    return cold == 0 ? priced_[type].hot_ns : priced_[type].cold[StepPart::attention];
  }
  const StepKernels& kernels = deployed_->kernels;
  return rounded(kernels.attention_ns(kernels.types()[type], priced_queries_, priced_rows_, cold, false),
                 "attention_ns");
}

/// A gather from another memory than the GPU's own.
std::uint64_t StepTiming::stall_ns(std::uint64_t gather_ns, std::uint64_t attention_ns) const noexcept {
  const bool hides = effective_.asked.step.overlap == Overlap::attention;
  return hides ? gather_ns - std::min(gather_ns, attention_ns) : gather_ns;
}

/// Of one layer. What all rows gain and what the set-aside costs were measured apart from each other.
double StepTiming::gain_error_ns(double gained_share) const noexcept {
  const std::optional<DifferenceErrors>& errors = deployed_->kernels.difference_errors();
  if (!errors) {
    return 0;
  }
  const double rows = errors->cold_ns * gained_share;
  const double set_aside = effective_.counts_set_aside ? errors->set_aside_ns : 0;
  return std::sqrt(rows * rows + set_aside * set_aside);
}

/// The part of the rows that the attention kernel finds cold: docs/step-time.md says where the others are.
double StepTiming::cold_part(const GatherPrice& gather) const noexcept {
  switch (effective_.row_memory) {
    case RowMemory::host:
      return 1;
    case RowMemory::other:
      return 0;
    case RowMemory::gpu:
      break;
  }
  return gather.rows == 0 ? 0 : static_cast<double>(gather.cold_rows) / static_cast<double>(gather.rows);
}

/// What it would be if all rows were hot, cold, or one piece of memory.
void StepTiming::add_sums(const PartTimes& times, std::uint32_t layer, std::uint64_t hot_ns, std::uint64_t cold_ns) {
  const std::uint64_t attention_ns = times.kernels[StepPart::attention];
  const std::uint64_t other_ns = times.kernels.total_ns() - attention_ns;
  const auto layers = static_cast<double>(result_.hidden_layers[layer]);
  const double selected_bytes = static_cast<double>(selected_rows_) * static_cast<double>(effective_.entry_bytes);
  const std::uint64_t read_ns =
      rounded(selected_bytes * layers / deployed_->gpu.memory_gb_s, "gather_ns of one contiguous read");
  const auto add_to = [&](std::uint64_t& sum, std::uint64_t rows_ns) {
    sum = checked_sum(sum, checked_sum(other_ns, rows_ns, step_ns), step_ns);
  };
  current_.actual_ns = checked_sum(current_.actual_ns, times.total_ns(), step_ns);
  add_to(current_.all_hit_ns, effective_.row_memory == RowMemory::host ? cold_ns : hot_ns);
  add_to(current_.contiguous_ns, std::max(hot_ns, read_ns));
  add_to(current_.unreserved_ns, cold_ns);
  const auto most_gain = static_cast<double>(cold_ns - hot_ns);
  current_.gain_error_ns +=
      layers * gain_error_ns(most_gain == 0 ? 0 : static_cast<double>(cold_ns - attention_ns) / most_gain);
  current_.perfect_error_ns += layers * gain_error_ns(1);
}

/// Attention reads what the trace selected, and its window.
void StepTiming::meter_layer(std::uint32_t layer, std::span<const StepRow> rows, double cold) {
  Deployed& on = *deployed_;
  double fetched = 0;
  for (const StepRow& row : rows) {
    const Counters& counters = row.counters;
    const DecodeStep step = step_of(row);
    const std::uint64_t context_tokens = step.context_tokens + step.queries;
    fetched += static_cast<double>(counters.demand_misses() + counters.prefetch.issued);
    for (const std::size_t hidden : on.hidden.of(layer)) {
      const std::uint64_t window = std::min<std::uint64_t>(on.model.layers[hidden].window_tokens, context_tokens);
      const std::uint64_t entries = counters.accesses + step.queries * window;
      const double hot =
          entries == 0 ? 0 : (1 - cold) * static_cast<double>(counters.accesses) / static_cast<double>(entries);
      on.energy.add_queries(hidden, {.tokens = step.queries,
                                     .context_tokens = context_tokens,
                                     .entries = entries,
                                     .entry_bytes = effective_.entry_bytes,
                                     .cold = 1 - hot});
    }
  }
  if (effective_.row_memory != RowMemory::gpu) {
    const double rows_bytes = fetched * static_cast<double>(effective_.entry_bytes);
    on.energy.add_fetched(rows_bytes * static_cast<double>(on.hidden.of(layer).size()),
                          effective_.row_memory == RowMemory::host);
  }
}

/// Weights, and the layers that no layer of the trace stands for.
void StepTiming::meter_others() {
  Deployed& on = *deployed_;
  on.energy.add_weights(sums_of_queries_.batch, accepted_now_);
  const Attention attention = on.model.has_indexer() ? Attention::sparse : Attention::dense;
  for (const std::size_t hidden : on.hidden.others()) {
    for (const StepQuery& query : queries_) {
      on.energy.add_queries(hidden, {.context_tokens = query.context_tokens,
                                     .entries = on.model.read_entries(hidden, query.context_tokens, attention),
                                     .entry_bytes = on.kernels.entry_bytes(on.model.layers[hidden])});
    }
  }
}

void StepTiming::add_layer(std::span<const StepRow> rows, const GatherPrice& gather, bool counted) {
  const std::uint32_t layer = rows.front().layer;
  const std::uint64_t batch = sums_of_queries_.batch;
  price_types(
      {.rows = std::max<std::uint64_t>(trace_.longest_selection(), 1), .filled = (selected_rows_ + batch - 1) / batch});
  const double cold = cold_part(gather);
  PartTimes times;
  std::uint64_t hot_ns = 0;
  std::uint64_t attention_ns = 0;
  for (const LayersOfType& of : types_of_[layer]) {
    const TypePrice& price = priced_[of.type];
    times.kernels.add(price.cold, of.layers);
    hot_ns += of.layers * price.hot_ns;
    attention_ns += of.layers * this->attention_ns(of.type, cold);
    times.set_aside_ns += of.layers * price.set_aside_ns;
  }
  const std::uint64_t cold_ns = std::exchange(times.kernels[StepPart::attention], attention_ns);
  times.gather_ns = of_hidden_layers(layer, gather.ns);
  if (effective_.row_memory != RowMemory::gpu) {
    const std::uint64_t all_hit_ns = of_hidden_layers(layer, gather_cost_.all_hit_ns(layer, selected_rows_));
    times.stall_ns = stall_ns(times.gather_ns - std::min(times.gather_ns, all_hit_ns), attention_ns);
  }
  add_sums(times, layer, hot_ns, cold_ns);
  if (!counted) {
    return;
  }
  if (effective_.asked.step.energy) {
    meter_layer(layer, rows, cold);
  }
  result_.layers[layer] += times;
  if (hooks_.on_times) {
    hooks_.on_times({.step = rows.front().step, .layer = layer, .times = times, .total_ns = times.total_ns()});
  }
}

void StepTiming::end_step(bool counted) {
  if (!deployed_ || queries_.empty()) {
    return;
  }
  if (gather_cost_.has_llc()) {
    gather_cost_.read_stream(deployed_->streams.other_weights(queries_.size()));
  }
  const StepSums step = std::exchange(current_, {});
  if (!counted) {
    return;
  }
  accepted_ += accepted_now_;
  decoding_ += requests_now_;
  if (effective_.asked.step.energy) {
    meter_others();
  }
  const StepKernels& kernels = deployed_->kernels;
  StepParts outside = kernels.outside(sums_of_queries_.batch);
  for (const std::size_t hidden : deployed_->hidden.others()) {
    outside.add(kernels.layer(kernels.types()[kernels.type_of()[hidden]], sums_of_queries_, {}), 1);
  }
  result_.totals.kernels.add(outside, 1);
  const std::uint64_t outside_ns = outside.total_ns();
  const auto add_step = [&](std::uint64_t ns, std::uint64_t& sum) {
    sum = checked_sum(sum, checked_sum(ns, outside_ns, step_ns), "the time of all steps");
  };
  add_step(step.actual_ns, sums_.actual_ns);
  add_step(step.all_hit_ns, sums_.all_hit_ns);
  add_step(step.contiguous_ns, sums_.contiguous_ns);
  add_step(step.unreserved_ns, sums_.unreserved_ns);
  sums_.gain_error_ns += step.gain_error_ns;
  sums_.perfect_error_ns += step.perfect_error_ns;
  step_ns_.push_back(checked_sum(step.actual_ns, outside_ns, step_ns));
}

std::optional<StepTimes> StepTiming::finish() {
  if (!deployed_) {
    return std::nullopt;
  }
  for (const PartTimes& layer : result_.layers) {
    result_.totals += layer;
  }
  const auto actual_ns = static_cast<double>(sums_.actual_ns);
  const auto ratio = [&](std::uint64_t ns) { return ns == 0 ? 0.0 : actual_ns / static_cast<double>(ns); };
  result_.slowdown_all_hit = ratio(sums_.all_hit_ns);
  result_.slowdown_contiguous = ratio(sums_.contiguous_ns);
  const auto steps = static_cast<double>(step_ns_.size());
  if (effective_.row_memory == RowMemory::gpu && effective_.reservation.entries > 0 && !effective_.llc && steps > 0) {
    const bool measured = deployed_->kernels.difference_errors().has_value();
    const auto gain = [&](double reserved_ns, double error_ns) {
      return NetGain{.ns = (static_cast<double>(sums_.unreserved_ns) - reserved_ns) / steps,
                     .error_ns = measured ? std::optional(error_ns / steps) : std::nullopt};
    };
    result_.gain = gain(actual_ns, sums_.gain_error_ns);
    result_.perfect_gain =
        gain(static_cast<double>(sums_.all_hit_ns + result_.totals.set_aside_ns), sums_.perfect_error_ns);
  }
  if (trace_.header().has_queries && decoding_ > 0) {
    result_.accepted_tokens = static_cast<double>(accepted_) / static_cast<double>(decoding_);
  }
  if (effective_.asked.step.energy) {
    result_.energy = deployed_->energy.of_token(deployed_->gpu, make_memory(effective_.memory).energy);
  }
  result_.tpot = summarise(std::move(step_ns_));
  return std::move(result_);
}

}  // namespace dsasim
