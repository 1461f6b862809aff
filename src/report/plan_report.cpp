#include "dsasim/report/plan_report.hpp"

#include "config/json_text.hpp"
#include "dsasim/report/text_plot.hpp"
#include "dsasim/version.hpp"
#include "report/choice_name.hpp"
#include "report/config_json.hpp"
#include "report/trace_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json config_json(const PlanResult& result) {
  const PlanConfig& config = result.config;
  const ReplayConfig& replay = config.replay;
  Json out;
  out["model"] = result.model;
  out["gpu"] = result.gpu;
  out["kernels"] = result.kernels;
  add_deployment(out, replay.step.deployment, result.kv);
  out["host"] = config.host;
  out["context"] = config.context_tokens;
  out["batch"] = or_null(config.batch);
  out["max_batch"] = config.max_batch;
  out["slo_tpot_ns"] = or_null(config.slo_tpot_ns);
  out["policy"] = to_string(complete_policy(replay.policy));
  out["order"] = name_of(order_names, replay.order);
  out["warm"] = name_of(warm_names, replay.warm);
  out["new_token"] = name_of(new_token_names, replay.new_token);
  out["resident_blocks"] = replay.resident_blocks;
  add_beside_policy(out, replay);
  out["steps"] = replay.steps ? Json(fmt::format("{}:{}", replay.steps->first, replay.steps->last)) : Json(nullptr);
  out["warmup_steps"] = replay.warmup_steps;
  out["prefetch"] = name_of(prefetch_names, config.prefetch);
  out["extrapolate"] = name_of(extrapolation_names, config.extrapolation);
  out["memory_fraction"] = config.memory_fraction;
  out["host_bytes"] = or_null(config.host_bytes);
  out["nvme"] = config.nvme.empty() ? Json(nullptr) : Json(config.nvme);
  out["host_copies"] = name_of(host_copies_names, config.host_copies);
  out["ranks_per_link"] = config.ranks_per_link;
  out["resident_pages"] = config.resident_pages;
  out["arrivals"] = config.arrivals.empty() ? Json(nullptr) : Json(config.arrivals);
  return out;
}

Json row_json(const PlanRow& row) {
  Json out;
  out["size"] = row.size.text;
  out["slots"] = or_null(row.slots);
  out["batch"] = row.point ? row.point->batch : 0;
  out["max_batch"] = row.max_batch;
  out["miss_ratio"] = row.miss_ratio;
  out["misses_per_layer_step"] = row.point ? Json(row.point->misses) : Json(nullptr);
  const auto of_point = [&](const char* name, auto value) { out[name] = row.point ? Json(value(*row.point)) : Json(); };
  of_point("link_bytes_per_step", [](const PlanPoint& point) { return point.link_bytes; });
  of_point("link_bytes_per_s", [](const PlanPoint& point) { return point.link_bytes_per_s(); });
  of_point("nvme_share", [](const PlanPoint& point) { return point.nvme_share; });
  of_point("nvme_bytes_per_step", [](const PlanPoint& point) { return point.nvme_bytes; });
  of_point("nvme_bytes_per_s", [](const PlanPoint& point) { return point.nvme_bytes_per_s(); });
  of_point("exposed_ns", [](const PlanPoint& point) { return point.exposed_ns; });
  of_point("hidden_ns", [](const PlanPoint& point) { return point.hidden_ns; });
  of_point("tpot_ns", [](const PlanPoint& point) { return point.tpot.mean_ns; });
  of_point("tpot_p95_ns", [](const PlanPoint& point) { return point.tpot.p95_ns; });
  of_point("tpot_p99_ns", [](const PlanPoint& point) { return point.tpot.p99_ns; });
  of_point("tokens_per_s", [](const PlanPoint& point) { return point.tokens_per_s(); });
  of_point("tokens_per_s_user",
           [](const PlanPoint& point) { return point.tokens_per_s() / static_cast<double>(point.batch); });
  of_point("resident_pages", [](const PlanPoint& point) { return point.resident_pages; });
  out["gpu_bytes_per_request"] = row.bytes.gpu();
  out["key_bytes_per_request"] = row.bytes.keys;
  out["host_bytes_per_request"] = row.bytes.host;
  out["break_even_batch"] = or_null(row.break_even_batch);
  out["drawn_error"] = or_null(row.trace_error);
  return out;
}

Json spread_json(const Spread& spread) {
  return {{"mean_ns", spread.mean_ns}, {"p95_ns", spread.p95_ns}, {"p99_ns", spread.p99_ns}};
}

Json over_time_json(const PlanRow& row) {
  Json out;
  out["size"] = row.size.text;
  const auto add = [&](const char* name, auto value) {
    out[name] = row.over_time ? Json(value(*row.over_time)) : Json(nullptr);
  };
  add("requests", [](const OverTime& run) { return run.requests; });
  add("tokens", [](const OverTime& run) { return run.tokens; });
  add("steps", [](const OverTime& run) { return run.steps; });
  add("duration_ns", [](const OverTime& run) { return run.duration_ns; });
  add("tokens_per_s", [](const OverTime& run) { return run.tokens_per_s(); });
  add("batch_mean", [](const OverTime& run) { return run.mean_running; });
  add("batch_max", [](const OverTime& run) { return run.most_running; });
  add("wait", [](const OverTime& run) { return spread_json(run.wait); });
  add("tpot", [](const OverTime& run) { return spread_json(run.tpot); });
  add("preemptions", [](const OverTime& run) { return run.preemptions; });
  return out;
}

std::string deployment_text(const PlanResult& result) {
  const Deployment& deployment = result.config.replay.step.deployment;
  std::string text = fmt::format("{} on {} {}{}", result.model, deployment.tensor_parallel, result.gpu,
                                 deployment.dp_attention ? ", dp attention" : "");
  text += deployment.expert_parallel == 1 ? "" : fmt::format(", ep {}", deployment.expert_parallel);
  text += fmt::format(", context {}", grouped(result.config.context_tokens));
  text += result.kv ? fmt::format(", KV in {}", name_of(kv_type_names, *result.kv)) : "";
  return text;
}

std::string misses_text(const PlanResult& result) {
  const std::string source = result.traces.size() == 1
                                 ? result.traces.front()
                                 : fmt::format("{} and {} more", result.traces.front(), result.traces.size() - 1);
  if (result.drawn) {
    return fmt::format("misses: of traces drawn from the statistics of {}, top-k {} for its {}", source,
                       grouped(result.model_top_k), grouped(result.trace_top_k));
  }
  return result.trace_top_k == result.model_top_k
             ? fmt::format("misses: of {}", source)
             : fmt::format("misses: of {}, of top-k {}; buffers and misses scaled to {}", source,
                           grouped(result.trace_top_k), grouped(result.model_top_k));
}

std::string gigabytes(std::uint64_t bytes) {
  return fmt::format("{:.3f}", static_cast<double>(bytes) / 1e9);
}

std::string milliseconds(double ns) {
  return fmt::format("{:.2f}", ns / 1e6);
}

std::string percent(double part) {
  return fmt::format("{:+.1f}%", 100 * part);
}

void append_row(std::string& out, const PlanResult& result, std::size_t i) {
  const PlanRow& row = result.rows[i];
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:<1}{:<6} {:>7} {:>7} {:>7} {:>6} ", result.best == i ? "*" : "", row.size.text,
                 row.slots ? grouped(*row.slots) : "-", gigabytes(row.bytes.gpu()), gigabytes(row.bytes.host),
                 grouped(row.max_batch));
  if (!row.point) {
    out += row.max_batch == 0 ? "does not fit\n" : "no batch keeps the limit\n";
    return;
  }
  const PlanPoint& point = *row.point;
  fmt::format_to(
      to, "{:>6} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7.1f} {:>8.0f}\n", grouped(point.batch),
      row.slots ? fmt::format("{:.2f}%", 100 * row.miss_ratio) : "-", fmt::format("{:.1f}", point.misses),
      fmt::format("{:.1f}", point.link_bytes / 1e6), fmt::format("{:.2f}", point.link_bytes_per_s() / 1e9),
      milliseconds(point.exposed_ns), milliseconds(point.hidden_ns), milliseconds(point.tpot.mean_ns),
      milliseconds(static_cast<double>(point.tpot.p95_ns)), milliseconds(static_cast<double>(point.tpot.p99_ns)),
      point.tokens_per_s() / static_cast<double>(point.batch), point.tokens_per_s());
}

/// The row of everything in GPU memory, if it was asked for and runs.
const PlanRow* all_row(const PlanResult& result) {
  for (const PlanRow& row : result.rows) {
    if (row.size.is_all()) {
      return row.point ? &row : nullptr;
    }
  }
  return nullptr;
}

std::string best_text(const PlanResult& result) {
  if (!result.best) {
    return result.config.slo_tpot_ns ? "No batch keeps the limit with any of these sizes.\n"
                                     : "No request fits with any of these sizes.\n";
  }
  const PlanRow& best = result.rows[*result.best];
  const PlanPoint& point = *best.point;
  std::string text =
      fmt::format("Most tokens a second{}: {}, batch {}, {:.0f} tokens/s, {} ms a token",
                  result.config.slo_tpot_ns ? " under the limit" : "",
                  best.size.is_all() ? "everything in GPU memory"
                                     : fmt::format("buffers of {} slots ({})", grouped(*best.slots), best.size.text),
                  grouped(point.batch), point.tokens_per_s(), milliseconds(point.tpot.mean_ns));
  const PlanRow* const all = all_row(result);
  if (all != nullptr && !best.size.is_all()) {
    text += fmt::format(", {:.2f} times those of all in GPU memory at batch {}",
                        point.tokens_per_s() / all->point->tokens_per_s(), grouped(all->point->batch));
  }
  text += ".\n";
  if (best.bytes.host > 0) {
    text += fmt::format("{} for this batch: {}{}.\n", result.config.nvme.empty() ? "Host memory" : "KV on drives",
                        bytes_text(static_cast<double>(best.bytes.host) * static_cast<double>(point.batch)),
                        result.config.host_copies == HostCopies::rank &&
                                !result.config.replay.step.deployment.dp_attention &&
                                result.config.replay.step.deployment.tensor_parallel > 1
                            ? ", a copy for each GPU"
                            : "");
  }
  return text;
}

std::string break_even_text(const PlanResult& result) {
  const bool has_hot = std::any_of(result.rows.begin(), result.rows.end(),
                                   [](const PlanRow& row) { return !row.size.is_all() && row.point; });
  if (!has_hot) {
    return "";
  }
  return result.break_even_batch ? fmt::format("KV in host memory pays from batch {} on; below, it costs time.\n",
                                               grouped(*result.break_even_batch))
                                 : "KV in host memory does not pay here at any batch that fits.\n";
}

std::string sensitivity_text(const Sensitivity& sensitivity) {
  std::string text;
  const auto add = [&](const char* name, const std::optional<double>& gain) {
    if (gain) {
      text += fmt::format("{}{} {}", text.empty() ? "A tenth more of this changes the tokens a second: " : ", ", name,
                          percent(*gain));
    }
  };
  add("link", sensitivity.link);
  add("memory", sensitivity.memory);
  add("slots", sensitivity.slots);
  return text.empty() ? text : text + ".\n";
}

std::string error_text(const PlanResult& result) {
  std::string text;
  for (const PlanRow& row : result.rows) {
    if (row.trace_error) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", row.size.text, percent(*row.trace_error));
    }
  }
  return text.empty() ? text : "Drawn misses against the trace's own, at its own shape: " + text + ".\n";
}

std::string resident_text(const PlanResult& result) {
  std::string text;
  for (const PlanRow& row : result.rows) {
    if (result.config.resident_pages && row.point && !row.size.is_all()) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", row.size.text, grouped(row.point->resident_pages));
    }
  }
  return text.empty() ? text : "Pages of a request in GPU memory above its buffer: " + text + ".\n";
}

std::string nvme_text(const PlanResult& result) {
  std::string text;
  for (const PlanRow& row : result.rows) {
    if (!result.config.nvme.empty() && row.point && !row.size.is_all()) {
      text += fmt::format("{}{} {:.1f}% of misses, {:.1f} GB/s", text.empty() ? "" : "; ", row.size.text,
                          100 * row.point->nvme_share, row.point->nvme_bytes_per_s() / 1e9);
    }
  }
  return text.empty() ? text : fmt::format("Read from {}: {}.\n", result.config.nvme, text);
}

std::string over_time_text(const PlanResult& result) {
  if (result.config.arrivals.empty()) {
    return "";
  }
  std::string out = fmt::format("\nBatches over time, arrivals: {}\n", result.config.arrivals);
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:<7} {:>8} {:>8} {:>13} {:>24} {:>24} {:>9}\n", "buffer", "lasts s", "tokens/s",
                 "batch: mean max", "wait s: mean, P95, P99", "TPOT ms: mean, P95, P99", "sent back");
  for (const PlanRow& row : result.rows) {
    if (!row.over_time) {
      fmt::format_to(to, " {:<6} the longest request does not fit\n", row.size.text);
      continue;
    }
    const OverTime& run = *row.over_time;
    const auto seconds = [](double ns) { return fmt::format("{:.2f}", ns / 1e9); };
    fmt::format_to(to, " {:<6} {:>8} {:>8.0f} {:>10.1f} {:>4} {:>8} {:>7} {:>7} {:>8} {:>7} {:>7} {:>9}\n",
                   row.size.text, seconds(static_cast<double>(run.duration_ns)), run.tokens_per_s(), run.mean_running,
                   grouped(run.most_running), seconds(run.wait.mean_ns), seconds(static_cast<double>(run.wait.p95_ns)),
                   seconds(static_cast<double>(run.wait.p99_ns)), milliseconds(run.tpot.mean_ns),
                   milliseconds(static_cast<double>(run.tpot.p95_ns)),
                   milliseconds(static_cast<double>(run.tpot.p99_ns)), grouped(run.preemptions));
  }
  return out;
}

}  // namespace

std::string plan_json(const PlanResult& result) {
  Json out;
  out["schema"] = plan_schema;
  out["tool"] = {{"version", version()}};
  out["config"] = config_json(result);
  out["lower_bound"] = result.lower_bound;
  out["traces"] = result.traces;
  out["drawn"] = result.drawn;
  out["weight_bytes_per_gpu"] = result.weight_bytes;
  out["free_bytes_per_gpu"] = result.free_bytes;
  out["rows"] = Json::array();
  for (const PlanRow& row : result.rows) {
    out["rows"].push_back(row_json(row));
  }
  out["best"] = result.best ? row_json(result.rows[*result.best]) : Json(nullptr);
  out["break_even_batch"] = or_null(result.break_even_batch);
  out["tokens_per_s_with_a_tenth_more"] = {{"link", or_null(result.sensitivity.link)},
                                           {"memory", or_null(result.sensitivity.memory)},
                                           {"slots", or_null(result.sensitivity.slots)}};
  out["over_time"] = Json::array();
  if (!result.config.arrivals.empty()) {
    std::transform(result.rows.begin(), result.rows.end(), std::back_inserter(out["over_time"]), over_time_json);
  }
  return json_text(out);
}

std::string plan_text(const PlanResult& result) {
  const PlanConfig& config = result.config;
  std::string out = fmt::format("{}; KV in host memory over {}\n", deployment_text(result), config.host);
  auto to = std::back_inserter(out);
  fmt::format_to(to, "a GPU: weights {} GB, {} GB for requests ({:.0f}% of its memory, less weights){}\n",
                 gigabytes(result.weight_bytes), gigabytes(result.free_bytes), 100 * config.memory_fraction,
                 result.lower_bound ? "; times from the data sheet alone, a lower bound" : "");
  fmt::format_to(to, "{}; {}\n\n", misses_text(result), to_string(config.replay.policy));
  fmt::format_to(to, "{:<7} {:>7} {:>15} {:>6} {:>6} {:>7} {:>7} {:>16} {:>15} {:>23} {:>16}\n", "", "", "GB a request",
                 "most", "", "miss", "misses", "link: MB   GB/s", "ms: wait hidden", "TPOT ms: mean, P95, P99",
                 "tokens/s of a");
  fmt::format_to(
      to, "{:<7} {:>7} {:>7} {:>7} {:>6} {:>6} {:>7} {:>7} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8}\n",
      "buffer", "slots", "GPU", "host", "fit", "batch", "ratio", "a layer", "a step", "", "", "", "", "", "", "user",
      "node");
  for (std::size_t i = 0; i < result.rows.size(); ++i) {
    append_row(out, result, i);
  }
  out += "\n" + best_text(result) + break_even_text(result) + sensitivity_text(result.sensitivity) +
         error_text(result) + resident_text(result) + nvme_text(result) + over_time_text(result);
  return out;
}

std::string plan_plot(const PlanResult& result, unsigned columns) {
  double most_tokens = 0;
  double longest_ns = 0;
  std::vector<std::pair<double, const PlanPoint*>> points;
  for (const PlanRow& row : result.rows) {
    if (row.point) {
      most_tokens = std::max(most_tokens, row.point->tokens_per_s());
      longest_ns = std::max(longest_ns, row.point->tpot.mean_ns);
      points.emplace_back(static_cast<double>(row.slots.value_or(result.config.context_tokens)), &*row.point);
    }
  }
  std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  TextLine tokens{.name = fmt::format("tokens a second of the node, 100%: {:.0f}", most_tokens), .points = {}};
  TextLine tpot{.name = fmt::format("mean TPOT, 100%: {} ms; below: slots, all of the context at its end",
                                    milliseconds(longest_ns)),
                .points = {}};
  for (const auto& [slots, point] : points) {
    tokens.points.push_back({.x = slots, .y = point->tokens_per_s() / most_tokens});
    tpot.points.push_back({.x = slots, .y = point->tpot.mean_ns / longest_ns});
  }
  return text_plot(std::array{std::move(tokens), std::move(tpot)}, columns);
}

std::string over_time_csv(const PlanResult& result) {
  std::string out = "size,start_ns,ns,steps,running,waiting,preemptions,gpu_bytes,host_bytes\n";
  for (const PlanRow& row : result.rows) {
    for (const BatchStretch& stretch : row.over_time ? row.over_time->stretches : std::vector<BatchStretch>{}) {
      fmt::format_to(std::back_inserter(out), "{},{},{},{},{},{},{},{},{}\n", row.size.text, stretch.start_ns,
                     stretch.ns, stretch.steps, stretch.running, stretch.waiting, stretch.preemptions,
                     stretch.gpu_bytes, stretch.host_bytes);
    }
  }
  return out;
}

}  // namespace dsasim
