#include "dsasim/plan/plan.hpp"

#include "dsasim/checked.hpp"
#include "dsasim/config/values.hpp"
#include "dsasim/error.hpp"
#include "plan/batch_point.hpp"
#include "plan/buffer_misses.hpp"
#include "plan/memory_account.hpp"
#include "plan/over_time.hpp"
#include "plan/step_timeline.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

namespace dsasim {
namespace {

constexpr std::uint64_t most_batch = 65'536;
constexpr std::uint64_t most_slots = std::uint64_t{1} << 31U;
constexpr double more = 1.1;  // of Sensitivity

BufferSize parse_buffer_size(std::string_view option, std::string_view text) {
  BufferSize size{.text = std::string(text)};
  if (text == "all") {
    return size;
  }
  try {
    if (text.ends_with('x')) {
      size.top_ks = parse_number<double>(option, text.substr(0, text.size() - 1), 1e-3, 1e6);
    } else {
      size.entries = parse_number<std::uint64_t>(option, text, 1, most_slots);
    }
  } catch (const ConfigError&) {
    throw ConfigError(option, "expected entries (4096), times the model's top-k (2x) or all, found \"{}\"", text);
  }
  return size;
}

void require_range(std::string_view option, std::uint64_t value, std::uint64_t most) {
  if (value == 0 || value > most) {
    throw ConfigError(option, "expected 1 to {}, found {}", most, value);
  }
}

void check(const PlanConfig& config) {
  require_range("`context`", config.context_tokens, most_plan_context);
  require_range("`max_batch`", config.max_batch, most_batch);
  require_range("`batch`", config.batch.value_or(1), config.max_batch);
  require_range("`ranks_per_link`", config.ranks_per_link, 1024);
  if (!config.nvme.empty() && !config.host_bytes) {
    throw ConfigError("`nvme`", "has no effect where host memory holds all KV; expected `host_memory`");
  }
  if (config.resident_pages && config.replay.new_token != NewToken::demand) {
    throw ConfigError("`resident_pages`", "the newest entry is in a resident page; expected `new_token` demand");
  }
  if (!(config.memory_fraction > 0 && config.memory_fraction <= 1)) {
    throw ConfigError("`memory_fraction`", "expected more than 0 and at most 1, found {}", config.memory_fraction);
  }
  if (config.slots.empty()) {
    throw ConfigError("`slots`", "expected at least one, found none");
  }
}

std::uint32_t top_k_of(const Model& model) {
  std::uint32_t top_k = 0;
  for (const ModelLayer& layer : model.layers) {
    top_k = std::max(top_k, layer.top_k);
  }
  if (!model.has_indexer() || top_k == 0) {
    throw ConfigError("`model`",
                      "{} selects nothing: it reads all of its KV at every step, and a buffer of a part has no "
                      "use; expected a model with an indexer",
                      model.name);
  }
  return top_k;
}

/// The memory of a plan's link: `host`, with its bandwidths times `factor`.
Memory make_link(const std::string& name, double factor) {
  MemorySpec spec = parse_memory(name, "`host`");
  Memory memory = make_memory(spec);
  if (memory.model_name != "host") {
    throw ConfigError("`host`", "{} is no link to host memory; expected a configuration of the memory model host",
                      name);
  }
  if (factor != 1) {
    for (const char* key : {"gb_s", "swap_gb_s"}) {
      const bool is_set = std::any_of(spec.parameters.begin(), spec.parameters.end(),
                                      [&](const auto& parameter) { return parameter.first == key; });
      if (memory.config->has(key) && !is_set) {
        spec.parameters.emplace_back(key, fmt::format("{}", factor * memory.config->number(key, 0, 1e9)));
      }
    }
    memory = make_memory(spec);
  }
  return memory;
}

/// What is above and below a buffer.
struct Around {
  std::uint64_t resident_pages = 0;  ///< of each request
  std::uint64_t host_entries = 0;    ///< of each request and layer; 0: all

  friend bool operator<(const Around& a, const Around& b) noexcept {
    return std::tie(a.resident_pages, a.host_entries) < std::tie(b.resident_pages, b.host_entries);
  }
};

/// One buffer size: its slots (none: everything in GPU memory), and what they miss, replayed when it is first asked
/// for.
struct Case {
  std::optional<std::uint64_t> slots = {};
  std::map<Around, BufferMisses> misses = {};
};

/// Rounded down to three binary digits, so that a plan replays few of them.
std::uint64_t one_of_few(std::uint64_t number) {
  constexpr int digits = 3;
  const int dropped = std::max(static_cast<int>(std::bit_width(number)) - digits, 0);
  return number >> static_cast<unsigned>(dropped) << static_cast<unsigned>(dropped);
}

/// Drives below host memory, and what a block of theirs has.
Memory make_drives(const std::string& name) {
  Memory memory = make_memory(parse_memory(name, "`nvme`"));
  if (memory.model_name != "nvme") {
    throw ConfigError("`nvme`", "{} is no drive; expected a configuration of the memory model nvme", name);
  }
  return memory;
}

/// All that is asked of one plan.
class Planner {
 public:
  Planner(std::span<const TraceReader* const> traces, const PlanConfig& config, std::uint32_t jobs,
          const std::function<void(double share)>& on_share);

  PlanResult run();

 private:
  void check_traces() const;
  /// What drawn traces have not, and what cannot be scaled.
  void check_extrapolation(bool draws) const;
  /// Whether the misses are to be those of other traces than the user's.
  bool draws() const;
  std::uint64_t slots_of(const BufferSize& size, double factor) const;
  /// With those that stacks keep beside the buffer: one for the newest token, or the newest blocks.
  std::optional<std::uint64_t> held_slots(const Case& of) const;
  bool context_fits(std::uint64_t slots) const { return slots >= context_entries_; }
  Case make_case(const BufferSize& size, double factor) const;
  /// Of every size, where they are all asked for alike: one pass over the traces.
  void replay_together(std::vector<Case>& cases, const std::function<void(double share)>& on_share) const;
  std::vector<BufferMisses> replay_sizes(std::span<const std::uint64_t> slots, const Around& around,
                                         const std::function<void(double share)>& on_share) const;
  const BufferMisses& misses(Case& of, const Around& around) const;
  /// Of each request's newest pages, those that are in GPU memory above its buffer.
  std::uint64_t resident_pages(const MemoryAccount& memory, const Case& of, std::uint64_t batch) const;
  /// Of requests that have so many bytes behind the GPUs.
  std::uint64_t host_entries(std::uint64_t bytes) const;
  Around around(const MemoryAccount& memory, const Case& of, std::uint64_t batch) const;
  StepTimeline timeline(MemoryModel& link) const;
  MemoryAccount account(const PlanConfig& config) const { return {model_, gpu_, kernels_, config}; }

  PlanPoint point(StepTimeline& timeline, const MemoryAccount& memory, Case& of, std::uint64_t batch) const;
  std::optional<PlanPoint> best_point(StepTimeline& timeline, const MemoryAccount& memory, Case& of) const;
  PlanRow row(StepTimeline& timeline, const BufferSize& size, Case& of) const;
  /// Its batches as requests come in. `share` is told how much of the row's is done.
  std::optional<OverTime> over_time(StepTimeline& timeline, Case& of,
                                    const std::function<void(double share)>& on_share) const;
  /// `all`: everything in GPU memory, at its best.
  std::optional<std::uint64_t> break_even(StepTimeline& timeline, const PlanRow& hot, Case& of,
                                          const std::optional<PlanPoint>& all) const;
  Sensitivity sensitivity(StepTimeline& timeline, const PlanRow& best, Case& of) const;

  std::span<const TraceReader* const> traces_;
  const PlanConfig& config_;
  std::uint32_t jobs_;
  Model model_;
  Gpu gpu_;
  KernelTable table_;
  StepKernels kernels_;
  std::uint64_t top_k_;
  std::uint64_t context_entries_;
  std::unique_ptr<DrawnTraces> drawn_;
  std::unique_ptr<HiddenLayers> hidden_;  ///< that the layers of `misses` stand for
  std::optional<ArrivingRequests> arriving_;
  Memory drive_memory_;
  Drives drives_;
  std::uint64_t row_bytes_ = 1;  ///< of the first layer that selects
  std::function<void(double share)> on_share_;
};

Planner::Planner(std::span<const TraceReader* const> traces, const PlanConfig& config, std::uint32_t jobs,
                 const std::function<void(double share)>& on_share)
    : traces_(traces),
      config_(config),
      jobs_(jobs),
      model_(load_model(config.replay.step.model)),
      gpu_(load_gpu(config.replay.step.gpu)),
      table_(KernelTable::load(config.replay.step.kernels, gpu_)),
      kernels_(model_, gpu_, table_, config.replay.step.deployment),
      top_k_(top_k_of(model_)),
      context_entries_(config.context_tokens / traces.front()->header().unit_tokens),
      on_share_([on_share](double share) {
        if (on_share) {
          on_share(share);
        }
      }) {
  check_traces();
  for (const BufferSize& size : config.slots) {
    if (!size.is_all()) {
      slots_of(size, 1);  // before anything takes time
    }
  }
  for (const ModelLayer& layer : model_.layers) {
    if (layer.top_k != 0) {
      row_bytes_ = std::max<std::uint64_t>(kernels_.entry_bytes(layer), 1);
      break;
    }
  }
  if (!config.nvme.empty()) {
    drive_memory_ = make_drives(config.nvme);
    drives_ = {.model = drive_memory_.model.get(),
               .block_bytes = drive_memory_.config->integer("block_bytes", 1, std::uint64_t{1} << 30U)};
  }
  if (!config.arrivals.empty()) {
    arriving_ = arriving_requests(traces, config.arrivals);
  }
}

void Planner::check_traces() const {
  if (const Granularity& granularity = config_.replay.granularity; !granularity.is_entry()) {
    throw ConfigError("`granularity`", "a buffer is planned in entries; expected 1, found {}", to_string(granularity));
  }
  const TraceReader& first = *traces_.front();
  for (const TraceReader* trace : traces_) {
    if (!config_.nvme.empty() && trace->header().ids == IdKind::physical) {
      throw ConfigError("`nvme`", "needs positions, and {} holds physical slots", trace->name());
    }
    trace->require_single_queries("plan");
    trace->require_equal_stores("plan");
    const HiddenLayers fits(model_, trace->header());
    if (trace->layer_count() != first.layer_count() || trace->longest_selection() == 0) {
      throw ConfigError(trace->name(),
                        "expected selections of {} layers as in {}, found {} layers, at most {} ids each",
                        first.layer_count(), first.name(), trace->layer_count(), trace->longest_selection());
    }
  }
}

void Planner::check_extrapolation(bool draws) const {
  const ReplayConfig& replay = config_.replay;
  if (draws && (replay.steps || replay.warmup_steps > 0)) {
    throw ConfigError(replay.steps ? "`steps`" : "`warmup_steps`",
                      "has no effect here: traces are drawn for this context and top-k, with steps of their own; "
                      "expected `extrapolate` scale with it");
  }
  if (draws && policy_needs(replay.policy).scores) {
    throw ConfigError("`policy`",
                      "{} needs the indexer's scores, which drawn traces have not; expected `extrapolate` scale",
                      replay.policy.name);
  }
  const auto scales = [&](const TraceReader* trace) { return trace->longest_selection() != top_k_; };
  if (draws || std::none_of(traces_.begin(), traces_.end(), scales)) {
    return;
  }
  constexpr std::string_view expected =
      "are not scaled with the top-k; expected `extrapolate` generate, or traces with the model's top-k of";
  if (replay.resident_blocks > 0 || config_.resident_pages) {
    throw ConfigError(config_.resident_pages ? "`resident_pages`" : "`resident_blocks`", "blocks of {} entries {} {}",
                      resident_block_entries, expected, top_k_);
  }
  if (replay.pins.any()) {
    throw ConfigError("`pin`", "numbers of entries {} {}", expected, top_k_);
  }
}

bool Planner::draws() const {
  const auto is_alike = [&](const TraceReader* trace) {
    std::uint64_t shortest = most_plan_context;
    for (const RequestInfo& request : trace->header().requests) {
      shortest = std::min(shortest, request.prompt_tokens);
    }
    const std::uint64_t longest = trace->longest_context_entries() * trace->header().unit_tokens;
    return trace->longest_selection() == top_k_ && config_.context_tokens >= shortest &&
           config_.context_tokens <= longest;
  };
  return config_.extrapolation == Extrapolation::generate && !std::all_of(traces_.begin(), traces_.end(), is_alike);
}

std::uint64_t Planner::slots_of(const BufferSize& size, double factor) const {
  const double asked = size.top_ks == 0 ? static_cast<double>(size.entries) : size.top_ks * static_cast<double>(top_k_);
  const auto slots = static_cast<std::uint64_t>(std::floor(std::min(asked * factor, static_cast<double>(most_slots))));
  if (slots < top_k_) {
    throw ConfigError("`slots`", "expected at least the {} entries of a selection of {}, found {} ({} entries)", top_k_,
                      model_.name, size.text, slots);
  }
  return slots;
}

std::optional<std::uint64_t> Planner::held_slots(const Case& of) const {
  if (!of.slots) {
    return std::nullopt;
  }
  return *of.slots + (config_.replay.new_token == NewToken::pinned ? 1 : 0) +
         std::uint64_t{config_.replay.resident_blocks} * resident_block_entries;
}

Case Planner::make_case(const BufferSize& size, double factor) const {
  return size.is_all() ? Case{} : Case{.slots = slots_of(size, factor)};
}

std::vector<BufferMisses> Planner::replay_sizes(std::span<const std::uint64_t> slots, const Around& around,
                                                const std::function<void(double share)>& on_share) const {
  ReplayConfig config = config_.replay;
  config.resident_blocks = static_cast<std::uint32_t>(std::min(around.resident_pages, most_plan_context));
  const HostRows host{.entries = around.host_entries,
                      .block_entries = std::max<std::uint64_t>(drives_.block_bytes / row_bytes_, 1)};
  return drawn_ ? drawn_->misses(config, slots, host, top_k_, jobs_, on_share)
                : replay_misses(traces_, config, slots, host, top_k_, jobs_, on_share);
}

void Planner::replay_together(std::vector<Case>& cases, const std::function<void(double share)>& on_share) const {
  std::vector<std::uint64_t> slots;
  for (const Case& of : cases) {
    if (of.slots) {
      slots.push_back(*of.slots);
    }
  }
  if (slots.empty() || config_.resident_pages || drives_.model != nullptr) {
    return;  // the batch decides what is above and below a buffer
  }
  const Around same{.resident_pages = config_.replay.resident_blocks};
  std::vector<BufferMisses> found = replay_sizes(slots, same, on_share);
  auto next = found.begin();
  for (Case& of : cases) {
    if (of.slots) {
      of.misses.emplace(same, std::move(*next++));
    }
  }
}

const BufferMisses& Planner::misses(Case& of, const Around& around) const {
  const auto known = of.misses.find(around);
  if (known != of.misses.end()) {
    return known->second;
  }
  return of.misses.emplace(around, std::move(replay_sizes({&*of.slots, 1}, around, {}).front())).first->second;
}

std::uint64_t Planner::resident_pages(const MemoryAccount& memory, const Case& of, std::uint64_t batch) const {
  const std::uint64_t least = config_.replay.resident_blocks;
  if (!config_.resident_pages) {
    return least;
  }
  const std::uint64_t gpus = memory.request_gpus();
  const std::uint64_t requests = (batch + gpus - 1) / gpus;
  const std::uint64_t used = memory.request(held_slots(of)).gpu() * requests;
  return std::max(least, one_of_few(least + memory.spare_pages(used, requests)));
}

StepTimeline Planner::timeline(MemoryModel& link) const {
  const std::size_t layers = drawn_ ? drawn_->header().layers.size() : traces_.front()->layer_count();
  return {model_, kernels_, *hidden_, layers, link, config_, drives_};
}

std::uint64_t Planner::host_entries(std::uint64_t bytes) const {
  if (drives_.model == nullptr || !config_.host_bytes || bytes <= *config_.host_bytes) {
    return 0;
  }
  const double held = static_cast<double>(*config_.host_bytes) / static_cast<double>(bytes);
  return std::max<std::uint64_t>(one_of_few(static_cast<std::uint64_t>(held * static_cast<double>(context_entries_))),
                                 1);
}

Around Planner::around(const MemoryAccount& memory, const Case& of, std::uint64_t batch) const {
  const std::uint64_t host_bytes =
      checked_product(memory.request(held_slots(of)).host, batch, "the bytes of a batch in host memory");
  return {.resident_pages = resident_pages(memory, of, batch), .host_entries = host_entries(host_bytes)};
}

PlanPoint Planner::point(StepTimeline& timeline, const MemoryAccount& memory, Case& of, std::uint64_t batch) const {
  const Around around = of.slots ? this->around(memory, of, batch) : Around{};
  const std::uint64_t pages = around.resident_pages;
  if (!of.slots || pages * resident_block_entries >= context_entries_) {
    return {.batch = batch,
            .tpot = summarise({timeline.compute_ns(timeline.alike(batch))}),
            .resident_pages = whole_pages(context_entries_) / kv_page_entries};
  }
  const BufferMisses& missed = misses(of, around);
  const HotBuffer buffer{.slots = *of.slots,
                         .context_fits = context_fits(*of.slots),
                         .looked_up = pages > 0 ? missed.looked_up_share() : 1};
  PlanPoint point = batch_point(timeline, buffer, missed, batch, memory.request_gpus());
  point.resident_pages = pages;
  return point;
}

/// The largest batch that keeps the limit. The time of a step rises with the batch, but for the few places where a
/// stack changes kernels.
std::optional<PlanPoint> Planner::best_point(StepTimeline& timeline, const MemoryAccount& memory, Case& of) const {
  const auto keeps = [&](const PlanPoint& at) {
    return !config_.slo_tpot_ns || at.tpot.mean_ns <= static_cast<double>(*config_.slo_tpot_ns);
  };
  const std::uint64_t fitting = memory.max_batch(memory.request(held_slots(of)));
  const std::uint64_t most = std::min(fitting, config_.batch.value_or(fitting));
  if (most == 0) {
    return std::nullopt;
  }
  if (PlanPoint largest = point(timeline, memory, of, most); keeps(largest)) {
    return largest;
  }
  std::optional<PlanPoint> best;
  for (std::uint64_t fits = 0, fails = most; fails - fits > 1 && !config_.batch;) {
    const std::uint64_t middle = fits + (fails - fits) / 2;
    const PlanPoint at = point(timeline, memory, of, middle);
    (keeps(at) ? fits : fails) = middle;
    best = keeps(at) ? std::optional(at) : best;
  }
  return best;
}

PlanRow Planner::row(StepTimeline& timeline, const BufferSize& size, Case& of) const {
  const MemoryAccount memory = account(config_);
  PlanRow row{.size = size, .slots = of.slots, .bytes = memory.request(held_slots(of))};
  row.max_batch = memory.max_batch(row.bytes);
  row.point = best_point(timeline, memory, of);
  if (!of.slots) {
    return row;
  }
  const Around around =
      row.point ? this->around(memory, of, row.point->batch) : Around{.resident_pages = config_.replay.resident_blocks};
  if (!context_fits(*of.slots) && around.resident_pages * resident_block_entries < context_entries_) {
    row.miss_ratio = misses(of, around).ratio();
    if (drawn_) {
      row.trace_error = drawn_->error(config_.replay, *of.slots, top_k_, jobs_);
    }
  }
  return row;
}

std::optional<OverTime> Planner::over_time(StepTimeline& timeline, Case& of,
                                           const std::function<void(double share)>& on_share) const {
  ServedBuffers buffers{.slots = of.slots,
                        .held_slots = held_slots(of),
                        .unit_tokens = traces_.front()->header().unit_tokens,
                        .resident_pages = config_.replay.resident_blocks,
                        .spare_holds_pages = config_.resident_pages};
  if (of.slots) {
    buffers.misses = [&](std::uint64_t pages, std::uint64_t host_bytes) -> const BufferMisses& {
      return misses(of, {.resident_pages = std::max<std::uint64_t>(one_of_few(pages), config_.replay.resident_blocks),
                         .host_entries = host_entries(host_bytes)});
    };
  }
  return serve(timeline, account(config_), buffers, *arriving_, config_, on_share);
}

std::optional<std::uint64_t> Planner::break_even(StepTimeline& timeline, const PlanRow& hot, Case& of,
                                                 const std::optional<PlanPoint>& all) const {
  const MemoryAccount memory = account(config_);
  Case in_gpu;
  const double to_beat = all ? all->tokens_per_s() : 0;
  if (!hot.point || hot.point->tokens_per_s() <= to_beat) {
    return std::nullopt;
  }
  std::uint64_t loses = 0;
  std::uint64_t gains = hot.point->batch;
  while (gains - loses > 1) {
    const std::uint64_t middle = loses + (gains - loses) / 2;
    // As many as are waiting run, as far as they fit.
    const std::uint64_t of_all = all ? std::min(middle, all->batch) : 0;
    const double all_tokens_per_s = of_all == 0 ? 0 : point(timeline, memory, in_gpu, of_all).tokens_per_s();
    (point(timeline, memory, of, middle).tokens_per_s() > all_tokens_per_s ? gains : loses) = middle;
  }
  return gains;
}

Sensitivity Planner::sensitivity(StepTimeline& timeline, const PlanRow& best, Case& of) const {
  const double before = best.point->tokens_per_s();
  const auto gain = [&](const std::optional<PlanPoint>& after) {
    return after ? std::optional(after->tokens_per_s() / before - 1) : std::nullopt;
  };
  PlanConfig larger = config_;
  larger.memory_fraction *= more;
  Sensitivity sensitivity{.memory = gain(best_point(timeline, account(larger), of))};
  if (of.slots) {
    const Memory link = make_link(config_.host, more);
    StepTimeline faster = this->timeline(*link.model);
    sensitivity.link = gain(best_point(faster, account(config_), of));
    Case wider = make_case(best.size, more);
    sensitivity.slots = gain(best_point(timeline, account(config_), wider));
  }
  return sensitivity;
}

PlanResult Planner::run() {
  constexpr double drawing = 0.7;  // of the time, where traces are drawn
  const bool draws = this->draws();
  check_extrapolation(draws);
  if (draws) {
    drawn_ = std::make_unique<DrawnTraces>(traces_, config_.context_tokens, top_k_,
                                           [&](double share) { on_share_(share * drawing); });
  }
  hidden_ = std::make_unique<HiddenLayers>(model_, drawn_ ? drawn_->header() : traces_.front()->header());
  const MemoryAccount memory = account(config_);
  PlanResult result{.config = config_,
                    .model = model_.name,
                    .gpu = gpu_.name,
                    .kernels = table_.name(),
                    .lower_bound = table_.lower_bound(),
                    .kv = kernels_.kv(),
                    .drawn = drawn_ != nullptr,
                    .trace_top_k = traces_.front()->longest_selection(),
                    .model_top_k = top_k_,
                    .weight_bytes = memory.weight_bytes(),
                    .free_bytes = memory.free_bytes()};
  std::transform(traces_.begin(), traces_.end(), std::back_inserter(result.traces),
                 [](const TraceReader* trace) { return trace->name(); });
  const Memory link = make_link(config_.host, 1);
  StepTimeline timeline = this->timeline(*link.model);
  const double drawn = draws ? drawing : 0;
  std::optional<std::size_t> best_hot;
  Case in_gpu;
  const auto all = best_point(timeline, memory, in_gpu);
  const auto beats = [&](const std::optional<PlanPoint>& point, const std::optional<std::size_t>& other) {
    return point && (!other || point->tokens_per_s() > result.rows[*other].point->tokens_per_s());
  };
  std::vector<Case> cases;
  cases.reserve(config_.slots.size());
  std::transform(config_.slots.begin(), config_.slots.end(), std::back_inserter(cases),
                 [&](const BufferSize& size) { return make_case(size, 1); });
  constexpr double replaying = 0.7;  // of the rest
  replay_together(cases, [&](double share) { on_share_(drawn + (1 - drawn) * replaying * share); });
  for (const BufferSize& size : config_.slots) {
    Case& of = cases[result.rows.size()];
    PlanRow row = this->row(timeline, size, of);
    if (of.slots) {
      row.break_even_batch = break_even(timeline, row, of, all);
    }
    const auto on_row = [&](double part) {
      const double done =
          (static_cast<double>(result.rows.size()) + part) / static_cast<double>(config_.slots.size() + 1);
      on_share_(drawn + (1 - drawn) * (replaying + (1 - replaying) * done));
    };
    if (arriving_) {
      row.over_time = over_time(timeline, of, on_row);
    }
    if (row.break_even_batch) {
      result.break_even_batch =
          std::min(*row.break_even_batch, result.break_even_batch.value_or(*row.break_even_batch));
    }
    if (of.slots && beats(row.point, best_hot)) {
      best_hot = result.rows.size();
    }
    result.best = beats(row.point, result.best) ? result.rows.size() : result.best;
    result.rows.push_back(std::move(row));
    on_row(0);
  }
  if (result.best) {
    result.sensitivity = sensitivity(timeline, result.rows[*result.best], cases[*result.best]);
  }
  return result;
}

}  // namespace

std::vector<BufferSize> parse_buffer_sizes(std::string_view option, std::string_view text) {
  std::vector<BufferSize> sizes;
  for (const std::string_view item : list_items(text)) {
    sizes.push_back(parse_buffer_size(option, item));
  }
  return sizes;
}

double PlanPoint::tokens_per_s() const noexcept {
  return tpot.mean_ns == 0 ? 0 : static_cast<double>(batch) * 1e9 / tpot.mean_ns;
}

double PlanPoint::nvme_bytes_per_s() const noexcept {
  return tpot.mean_ns == 0 ? 0 : nvme_bytes * 1e9 / tpot.mean_ns;
}

double PlanPoint::link_bytes_per_s() const noexcept {
  return tpot.mean_ns == 0 ? 0 : link_bytes * 1e9 / tpot.mean_ns;
}

double OverTime::tokens_per_s() const noexcept {
  return duration_ns == 0 ? 0 : static_cast<double>(tokens) * 1e9 / static_cast<double>(duration_ns);
}

PlanResult plan(std::span<const TraceReader* const> traces, const PlanConfig& config, std::uint32_t jobs,
                const std::function<void(double share)>& on_share) {
  if (traces.empty()) {
    throw ConfigError("trace", "expected at least one, found none");
  }
  check(config);
  return Planner(traces, config, jobs, on_share).run();
}

}  // namespace dsasim
