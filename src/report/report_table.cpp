#include "dsasim/report/report.hpp"

#include "dsasim/replay/measure.hpp"
#include "replay/link_traffic.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/energy_report.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>
#include <optional>
#include <vector>

namespace dsasim {
namespace {

std::string time_text(double ns) {
  return scaled(ns, std::array{"ns", "us", "ms", "s"});
}

/// What a row shows in the layers that the trace's stand for.
struct Fetched {
  std::optional<double> bytes;
  std::uint64_t gather_ns = 0;
};

void append_row(std::string& out, std::string_view name, const Counters& counters, const Fetched& fetched) {
  fmt::format_to(std::back_inserter(out), "{:<10} {:>13} {:>13} {:>8} {:>12} {:>13} {:>11} {:>12} {:>11}\n", name,
                 grouped(counters.accesses), grouped(counters.misses()),
                 ratio_text(counters.misses(), counters.accesses), grouped(counters.compulsory_misses),
                 grouped(counters.evictions), fetched.bytes ? bytes_text(*fetched.bytes) : "-",
                 grouped(counters.missed_pages), time_text(static_cast<double>(fetched.gather_ns)));
}

Fetched fetched_of(const ReplayResult& result, std::size_t layer) {
  return {.bytes = result.config.entry_bytes == 0 ? std::nullopt : std::optional(layer_bytes(result, layer)),
          .gather_ns = result.step_times ? result.step_times->layers[layer].gather_ns : result.layers[layer].gather_ns};
}

Fetched fetched_of_all(const ReplayResult& result, const LinkTraffic& traffic) {
  return {.bytes = traffic.bytes,
          .gather_ns = result.step_times ? result.step_times->totals.gather_ns : result.totals.gather_ns};
}

/// Layers by miss ratio, least first; equal ones by number.
std::vector<std::size_t> layers_by_ratio(const std::vector<Counters>& layers) {
  std::vector<std::size_t> order(layers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto ratio = [&](std::size_t layer) {
    return layers[layer].accesses == 0
               ? 0.0
               : static_cast<double>(layers[layer].misses()) / static_cast<double>(layers[layer].accesses);
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return ratio(a) < ratio(b); });
  return order;
}

std::string capacity_text(const EffectiveConfig& config, std::size_t layers) {
  const auto& entries = config.capacity_entries;
  const auto [least, most] = std::minmax_element(entries.begin(), entries.end());
  std::string text = *least == *most ? fmt::format("{} entries", grouped(*least))
                                     : fmt::format("{} to {} entries by {}", grouped(*least), grouped(*most),
                                                   entries.size() == layers ? "layer" : "stream");
  const Capacity& asked = config.asked.capacity;
  if (config.asked.capacity_list.empty() && asked.is_of_all()) {
    text += fmt::format(" (an even share of {})", asked.text());
  } else if (config.asked.capacity_list.empty() && asked.unit() != Capacity::Unit::entries) {
    text += fmt::format(" ({})", asked.text());
  }
  return text;
}

void append_link(std::string& out, const ReplayResult& result, const LinkTraffic& traffic) {
  if (!traffic.step_bytes) {
    return;
  }
  auto line = std::back_inserter(out);
  fmt::format_to(line, "A step fetches {}", bytes_text(*traffic.step_bytes));
  if (result.step_times) {
    fmt::format_to(line, " in the {} layers of {}: {}{} at the time of a token below", traffic.hidden_layers,
                   result.config.model_name, result.config.lower_bound ? "at most " : "",
                   scaled(*traffic.bytes_per_s, std::array{"B/s", "kB/s", "MB/s", "GB/s", "TB/s"}));
  }
  fmt::format_to(line, ".\n");
}

void append_prefetch(std::string& out, const Counters& totals, const EffectiveConfig& config) {
  if (!config.asked.prefetch.any()) {
    return;
  }
  const PrefetchCounts& counts = totals.prefetch;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "Prefetch {}: {} entries, {} of them useful ({})", to_string(config.asked.prefetch),
                 grouped(counts.issued), grouped(counts.useful), ratio_text(counts.useful, counts.issued));
  if (config.asked.prefetch.into == PrefetchInto::side) {
    fmt::format_to(line, ", which avoided {} of the misses", ratio_text(counts.avoided, totals.misses()));
  } else {
    fmt::format_to(line, "; they evicted {}", grouped(counts.evictions));
  }
  fmt::format_to(line, ".\n");
}

void append_retention(std::string& out, const Counters& totals, const EffectiveConfig& config) {
  const double retention = config.asked.retention_steps;
  if (retention == 0) {
    return;
  }
  const RetentionCounts& counts = totals.retention;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "Retention of {:g} {}: ", retention, retention == 1 ? "step" : "steps");
  if (counts.hits == 0) {
    fmt::format_to(line, "the cache had no hits.\n");
    return;
  }
  fmt::format_to(line,
                 "hits are {:.2f} steps after the last use, {} of them within it; the others need {} refreshes.\n",
                 static_cast<double>(counts.idle_steps) / static_cast<double>(counts.hits),
                 ratio_text(counts.retained, counts.hits), grouped(counts.refreshes));
  const double all = static_cast<double>(config.reservation.entries) * static_cast<double>(config.counted_steps);
  fmt::format_to(line, "Refreshing every slot, used or not, takes {}.\n",
                 grouped(static_cast<std::uint64_t>(std::floor(std::min(all / retention, 1e18)))));
}

/// Where the rows of the time above came from.
std::string_view rows_text(const EffectiveConfig& config) {
  switch (config.row_memory) {
    case RowMemory::gpu:
      return "gathers are in attention";
    case RowMemory::host:
      return "attention reads from the GPU's memory what was fetched";
    case RowMemory::other:
      break;
  }
  return "attention reads from the L2 what was gathered";
}

void append_gain(std::string& out, const StepTimes& times, const EffectiveConfig& config) {
  if (!times.gain) {
    return;
  }
  auto line = std::back_inserter(out);
  const double unreserved_ns = times.tpot.mean_ns + times.gain->ns;
  fmt::format_to(line, "The reservation takes {} off a token of which every row misses",
                 gain_text(times.gain->ns, times.gain->error_ns, unreserved_ns));
  if (config.counts_set_aside) {
    fmt::format_to(line, ", net of the {} that the set-aside costs.\n",
                   time_text(static_cast<double>(times.totals.set_aside_ns) / static_cast<double>(times.tpot.steps)));
  } else {
    fmt::format_to(line, "; what reserving costs is not counted.\n");
  }
  if (!times.gain->error_ns) {
    fmt::format_to(line, "What hits take off was not measured with these kernels.\n");
  }
}

void append_step_times(std::string& out, const StepTimes& times, const EffectiveConfig& config, double steps) {
  const auto part = [&](std::uint64_t ns) { return time_text(static_cast<double>(ns) / steps); };
  const auto tpot = [](std::uint64_t ns) { return token_text(static_cast<double>(ns)); };
  const StepParts& kernels = times.totals.kernels;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "\nA {} of {} on {} x {} takes {}{}: P50 {}, P95 {}, P99 {}, at most {} ({}).\n",
                 times.accepted_tokens ? "step" : "token", config.model_name,
                 config.asked.step.deployment.tensor_parallel, config.gpu_name, config.lower_bound ? "at least " : "",
                 token_text(times.tpot.mean_ns), tpot(times.tpot.p50_ns), tpot(times.tpot.p95_ns),
                 tpot(times.tpot.p99_ns), tpot(times.tpot.max_ns), kernels_text(config));
  fmt::format_to(line, "Indexer {}, top-k {}, attention {}, weights and the rest {}", part(kernels[StepPart::indexer]),
                 part(kernels[StepPart::topk]), part(kernels[StepPart::attention]), part(kernels.rest_ns()));
  if (config.row_memory != RowMemory::gpu) {
    fmt::format_to(line, ", gathers in addition {} (overlap: {})", part(times.totals.stall_ns),
                   name_of(overlap_names, config.asked.step.overlap));
  }
  if (config.counts_set_aside) {
    fmt::format_to(line, ", set-aside {}", part(times.totals.set_aside_ns));
  }
  fmt::format_to(line, "; {}.\n", rows_text(config));
  if (times.accepted_tokens && *times.accepted_tokens > 0) {
    fmt::format_to(line, "A request keeps {:.2f} tokens of a step: {}{} a token.\n", *times.accepted_tokens,
                   config.lower_bound ? "at least " : "", token_text(times.tpot.mean_ns / *times.accepted_tokens));
  }
  append_gain(out, times, config);
  fmt::format_to(line,
                 "That is {:.3f} times as long as if every row hit, {:.3f} times as if a selection were contiguous.\n",
                 times.slowdown_all_hit, times.slowdown_contiguous);
}

void append_llc(std::string& out, const Counters& totals, const EffectiveConfig& config) {
  if (!config.llc) {
    return;
  }
  fmt::format_to(std::back_inserter(out),
                 "The last-level cache held {} of the sectors of missed rows ({}, {} in a set-aside).\n",
                 ratio_text(totals.llc_hit_sectors, totals.llc_sectors), to_string(*config.llc),
                 bytes_text(static_cast<double>(config.asked.set_aside_bytes)));
  if (!make_memory(config.memory).model->needs().llc) {
    out += "Gather times price every miss of the reservation, hits of the last-level cache included.\n";
  }
}

}  // namespace

std::string report_table(const TraceReader& trace, const ReplayResult& result) {
  const EffectiveConfig& config = result.config;
  const std::uint64_t steps = config.counted_steps;
  std::string out;
  auto line = std::back_inserter(out);
  const LinkTraffic traffic = link_traffic(result);
  fmt::format_to(line, "{}\n{}", trace_text(trace), layers_text(trace, config, traffic.hidden_layers));
  fmt::format_to(line, "{}, {}, of {}\n{}\n\n", to_string(config.asked.policy), caches_text(config.asked),
                 capacity_text(config, trace.layer_count()), reservation_text(config.reservation));
  fmt::format_to(line, "{:<10} {:>13} {:>13} {:>8} {:>12} {:>13} {:>11} {:>12} {:>11}\n", "", "accesses", "misses",
                 "ratio", "compulsory", "evictions", "fetched", "pages", "gather");
  append_row(out, "total", result.totals, fetched_of_all(result, traffic));
  const auto order = layers_by_ratio(result.layers);
  const std::size_t shown = order.size() <= 6 ? order.size() : 3;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i < shown || i + shown >= order.size()) {
      append_row(out, fmt::format("layer {}", order[i]), result.layers[order[i]], fetched_of(result, order[i]));
    } else if (i == shown) {
      fmt::format_to(line, "  ... {} layers between\n", order.size() - 2 * shown);
    }
  }
  if (steps > 0) {
    const auto in_layers = [&](std::uint64_t sum, std::uint64_t layers) {
      return static_cast<double>(sum) / (static_cast<double>(steps) * static_cast<double>(layers));
    };
    const std::uint64_t gathers = result.step_times ? traffic.hidden_layers : trace.layer_count();
    const Granularity& held = config.asked.granularity;
    fmt::format_to(line, "\nA step and layer misses {:.1f} {} and gathers for {} ({}).\n",
                   in_layers(result.totals.misses(), trace.layer_count()),
                   held.is_entry() ? "entries"
                   : held.tokens   ? "tokens"
                                   : "blocks",
                   time_text(in_layers(fetched_of_all(result, traffic).gather_ns, gathers)), memory_text(config));
    append_link(out, result, traffic);
  }
  append_prefetch(out, result.totals, config);
  append_retention(out, result.totals, config);
  append_llc(out, result.totals, config);
  if (result.step_times && steps > 0) {
    append_step_times(out, *result.step_times, config, static_cast<double>(steps));
    out += result.step_times->energy ? energy_table(*result.step_times->energy) : "";
  }
  return out;
}

void append_step_times_csv(std::string& out, const StepTimeRow& row) {
  const PartTimes& t = row.times;
  const StepParts& kernels = t.kernels;
  fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{},{},{},{}\n", row.step, row.layer,
                 kernels[StepPart::indexer], kernels[StepPart::topk], t.gather_ns, t.stall_ns,
                 kernels[StepPart::attention], t.set_aside_ns, kernels.rest_ns(), row.total_ns);
}

std::string step_csv_header(const EffectiveConfig& config) {
  std::string header = "step,layer,request";
  for (const Measure& measure : measures()) {
    header += measure.in_step_rows && is_shown(measure, config) ? fmt::format(",{}", measure.name) : "";
  }
  return header + "\n";
}

void append_step_csv(std::string& out, const StepRow& row, const EffectiveConfig& config) {
  fmt::format_to(std::back_inserter(out), "{},{},{}", row.step, row.layer, row.request);
  for (const Measure& measure : measures()) {
    if (measure.in_step_rows && is_shown(measure, config)) {
      out += ',';
      out += text_of(measure.value({.counters = row.counters, .config = config}));
    }
  }
  out += '\n';
}

}  // namespace dsasim
