#include "dsasim/checked.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"
#include "dsasim/replay/replay.hpp"
#include "replay/cache_unit.hpp"
#include "replay/first_sight.hpp"
#include "replay/prefetch.hpp"
#include "step/hidden_layers.hpp"
#include "step/step_kernels.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace dsasim {
namespace {

constexpr const char* capacities_option = "`capacities_from`";

void check_positions(const TraceReader& trace, const ReplayConfig& config) {
  if (trace.header().ids == IdKind::logical) {
    return;
  }
  if (config.warm != Warm::none) {
    throw ConfigError("`warm`", "needs positions, and {} holds physical slots; expected none", trace.name());
  }
  if (config.new_token != NewToken::demand) {
    throw ConfigError("`new_token`", "needs positions, and {} holds physical slots; expected demand", trace.name());
  }
  if (config.resident_blocks > 0) {
    throw ConfigError("`resident_blocks`", "needs positions, and {} holds physical slots; expected 0", trace.name());
  }
  if (config.pins.any()) {
    throw ConfigError("`pin`", "needs positions, and {} holds physical slots; expected none", trace.name());
  }
}

void check_new_token(const ReplayConfig& config) {
  if (config.resident_blocks > 0 && config.new_token != NewToken::demand) {
    throw ConfigError("`resident_blocks`", "the newest entry is in a resident block; expected `new_token` demand");
  }
  if (config.pins.any() && config.new_token != NewToken::demand) {
    throw ConfigError("`pin`", "expected `new_token` demand: recent=1 holds the newest entry");
  }
  if (config.pins.recent_entries > 0 && config.resident_blocks > 0) {
    throw ConfigError("`pin`", "recent={}: the newest entries are in resident blocks; expected `resident_blocks` 0",
                      config.pins.recent_entries);
  }
}

constexpr const char* granularity_option = "`granularity`";

/// Each token of an entry has an equal part of its row.
void check_tokens(const TraceReader& trace, const ReplayConfig& config, const std::vector<std::uint64_t>& row_bytes) {
  const TraceHeader& header = trace.header();
  bool has_parts = false;
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    const std::uint32_t unit = header.unit_of(layer);
    has_parts = has_parts || unit > 1;
    if (row_bytes[layer] % unit != 0) {
      throw ConfigError(granularity_option, "tokens: an entry of {} has {} bytes and {} tokens; expected a multiple",
                        trace.name(), row_bytes[layer], unit);
    }
  }
  if (!has_parts) {
    throw ConfigError(granularity_option, "tokens: the entries of {} are tokens; expected a number", trace.name());
  }
  if (header.ids == IdKind::physical) {
    throw ConfigError(granularity_option, "tokens: needs positions, and {} holds physical slots; expected a number",
                      trace.name());
  }
  if (header.mixes_units() && (config.scope == Scope::shared || config.scope == Scope::request)) {
    throw ConfigError(granularity_option,
                      "tokens: the entries of the layers of {} differ in tokens; expected `scope` layer or stream",
                      trace.name());
  }
}

/// What is defined for entries alone.
void check_granularity(const TraceReader& trace, const ReplayConfig& config,
                       const std::vector<std::uint64_t>& row_bytes) {
  if (config.granularity.is_entry()) {
    return;
  }
  const PolicyNeeds needs = policy_needs(config.policy);
  const auto refuse = [&](bool asked, std::string_view what) {
    if (asked) {
      throw ConfigError(granularity_option, "{} is defined for entries; expected 1, found {}", what,
                        to_string(config.granularity));
    }
  };
  refuse(needs.scores || needs.one_stream, fmt::format("`policy` {}", config.policy.name));
  refuse(config.pins.any(), "`pin`");
  refuse(config.prefetch.any(), "`prefetch`");
  refuse(config.step.times_steps(), "`model`, the time of a token,");
  refuse(config.llc || config.llc_of_gpu, "`llc`");
  if (config.granularity.tokens) {
    check_tokens(trace, config, row_bytes);
  }
}

/// Each entry once; blocks once of each step.
class StepUnion {
 public:
  StepUnion(const TraceReader& trace, std::uint32_t block_entries)
      : block_entries_(block_entries), seen_((trace.id_limit() + block_entries - 1) / block_entries) {}

  std::uint64_t count(const RequestCursor& cursor, std::uint32_t layer) {
    seen_.begin();
    std::uint64_t blocks = 0;
    for (std::uint32_t query = 0; query < cursor.queries().queries; ++query) {
      const SelectionView selection = cursor.selection_of(query, layer);
      for (const EntryId id : std::span(selection.ids, selection.size)) {
        blocks += seen_.is_first(value(id) / block_entries_) ? 1U : 0U;
      }
    }
    return blocks;
  }

 private:
  std::uint32_t block_entries_;
  FirstSight seen_;
};

std::uint32_t effective_page_tokens(const TraceReader& trace, const ReplayConfig& config) {
  const std::uint32_t asked = config.page_tokens.value_or(default_page_tokens);
  const std::uint32_t page_tokens = asked == 0 ? trace.header().page_tokens : asked;
  if (page_tokens == 0) {
    throw ConfigError("`page_tokens`", "{} does not give its page size; expected a number of tokens", trace.name());
  }
  return page_tokens;
}

StepRange effective_steps(const TraceReader& trace, const ReplayConfig& config) {
  const StepRange steps = config.steps.value_or(StepRange{.first = 0, .last = trace.batch_steps()});
  if (steps.first > steps.last || steps.last > trace.batch_steps()) {
    throw ConfigError("`steps`", "expected A:B with A <= B <= {} (the steps of {}), found {}:{}", trace.batch_steps(),
                      trace.name(), steps.first, steps.last);
  }
  if (config.warmup_steps > steps.last - steps.first) {
    throw ConfigError("`warmup_steps`", "{} is more than the {} steps replayed", config.warmup_steps,
                      steps.last - steps.first);
  }
  return steps;
}

/// By layer: what is asked for goes for all; stores of which one does not say its bytes have none.
std::vector<std::uint64_t> row_bytes(const TraceReader& trace, const ReplayConfig& config, std::uint64_t entry_bytes) {
  const TraceHeader& header = trace.header();
  std::vector<std::uint64_t> bytes(trace.layer_count(), entry_bytes);
  if (config.entry_bytes || header.stores.empty()) {
    return bytes;
  }
  for (std::uint32_t layer = 0; layer < bytes.size(); ++layer) {
    bytes[layer] = header.stores[layer].entry_bytes;
  }
  if (std::find(bytes.begin(), bytes.end(), 0) != bytes.end()) {
    std::fill(bytes.begin(), bytes.end(), 0);
  }
  return bytes;
}

/// A trace of fewer layers than the model's is stretched over them: its groups stand for equal shares of what selects.
std::vector<std::uint64_t> entry_cost_bytes(const TraceReader& trace, const std::vector<std::uint64_t>& row_bytes,
                                            std::optional<std::uint64_t> selecting_layers) {
  std::uint64_t traced = 0;
  for (const LayerInfo& layer : trace.header().layers) {
    traced += layer.group_size;
  }
  const std::uint64_t layers = selecting_layers.value_or(traced);
  constexpr std::string_view entry_cost = "the bytes of an entry in the layers of its group";
  std::vector<std::uint64_t> bytes;
  bytes.reserve(trace.layer_count());
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    __extension__ using Wide = unsigned __int128;
    const std::uint64_t cost = checked_product(row_bytes[layer], trace.header().kv_rows(layer), entry_cost);
    bytes.push_back(checked_narrow(Wide{cost} * layers / traced, entry_cost));
  }
  return bytes;
}

__extension__ using Wide = unsigned __int128;

std::uint64_t saturated(Wide value) {
  return static_cast<std::uint64_t>(std::min<Wide>(value, std::numeric_limits<std::uint64_t>::max()));
}

[[noreturn]] void refuse_groups(const ReplayConfig& config) {
  throw ConfigError(config.capacity.is_budget() ? "`budget`" : "`capacity`",
                    "{} over layers whose groups differ in size is not a number of entries; give entries, or `scope` "
                    "layer or stream",
                    config.capacity.text());
}

/// Layers that own a KV store: each has caches, where those are of one layer.
std::vector<std::uint32_t> store_owners(const TraceHeader& header) {
  std::vector<std::uint32_t> owners;
  for (std::uint32_t layer = 0; layer < header.layers.size(); ++layer) {
    if (header.store(layer).kv_owner == layer) {
      owners.push_back(layer);
    }
  }
  return owners;
}

bool all_equal(const std::vector<std::uint64_t>& values) {
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

bool mixes_layers(Scope scope) {
  return scope == Scope::shared || scope == Scope::request;
}

/// By layer, where caches are of one layer; otherwise of each cache.
std::vector<std::uint64_t> capacity_of_budget(const TraceReader& trace, const ReplayConfig& config,
                                              const std::vector<std::uint64_t>& cost_bytes) {
  const bool in_bytes = config.capacity.unit() == Capacity::Unit::bytes;
  if (in_bytes && cost_bytes.front() == 0) {
    config.capacity.entries(trace, 0);  // says what is missing
  }
  if (in_bytes && mixes_layers(config.scope) && !all_equal(cost_bytes)) {
    refuse_groups(config);
  }
  const std::vector<std::uint32_t> owners = store_owners(trace.header());
  std::vector<CacheShare> shares(mixes_layers(config.scope) ? 1 : owners.size());
  const std::uint64_t caches = cache_count(trace, config.scope) / shares.size();
  const std::uint64_t block_entries = config.granularity.block_entries;  // a share is of whole blocks
  for (std::size_t i = 0; i < shares.size(); ++i) {
    shares[i].entry_cost = saturated(Wide{caches} * block_entries * (in_bytes ? cost_bytes[owners[i]] : 1));
  }
  std::vector<std::uint64_t> entries = even_split(shares, config.capacity.entries(trace, 1));
  for (std::uint64_t& share : entries) {
    share = saturated(Wide{share} * block_entries);
  }
  if (mixes_layers(config.scope)) {
    return entries;
  }
  std::vector<std::uint64_t> by_layer(cost_bytes.size());
  for (std::size_t i = 0; i < owners.size(); ++i) {
    by_layer[owners[i]] = entries[i];
  }
  for (std::uint32_t layer = 0; layer < by_layer.size(); ++layer) {
    by_layer[layer] = by_layer[trace.header().store(layer).kv_owner];
  }
  return by_layer;
}

/// Rounded down, as parts of a context are.
std::uint64_t whole_blocks(const ReplayConfig& config, std::uint64_t entries) {
  return entries - entries % config.granularity.block_entries;
}

/// By layer: numbers differ only for bytes and groups of different sizes.
std::vector<std::uint64_t> capacity_by_layer(const TraceReader& trace, const ReplayConfig& config,
                                             const std::vector<std::uint64_t>& cost_bytes) {
  std::vector<std::uint64_t> entries;
  entries.reserve(cost_bytes.size());
  for (const std::uint64_t bytes : cost_bytes) {
    entries.push_back(whole_blocks(config, config.capacity.entries(trace, bytes)));
  }
  if (mixes_layers(config.scope) && !all_equal(entries)) {
    refuse_groups(config);
  }
  return entries;
}

std::vector<std::uint64_t> capacity_one_by_one(const TraceReader& trace, const ReplayConfig& config) {
  const std::size_t layers = trace.layer_count();
  const std::size_t streams = layers * trace.request_count();
  const std::size_t count = config.capacity_list.size();
  if (config.scope != Scope::layer && config.scope != Scope::stream) {
    throw ConfigError(capacities_option, "capacities one by one need `scope` layer or stream");
  }
  if (count != layers && (count != streams || config.scope != Scope::stream)) {
    throw ConfigError(capacities_option, "expected {} capacities, one for each layer{}, found {}", layers,
                      config.scope == Scope::stream ? fmt::format(", or {}, one for each stream", streams) : "", count);
  }
  const std::size_t width = count / layers;
  std::vector<std::uint64_t> entries = config.capacity_list;
  for (std::uint64_t& capacity : entries) {
    capacity = whole_blocks(config, capacity);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t owner = trace.header().store(static_cast<std::uint32_t>(i / width)).kv_owner;
    if (entries[i] != entries[owner * width + i % width]) {
      throw ConfigError(capacities_option,
                        "layers {} and {} read one KV store; expected equal capacities, found {} and {}", owner,
                        i / width, entries[owner * width + i % width], entries[i]);
    }
  }
  return entries;
}

/// A policy that replaces by selection has to hold the longest.
void check_selection(const TraceReader& trace, const ReplayConfig& config, const std::vector<std::uint64_t>& entries,
                     const char* option) {
  const std::uint64_t block_entries = config.granularity.block_entries;
  const auto below = [&](std::uint64_t longest) {
    return std::find_if(entries.begin(), entries.end(),
                        [&](std::uint64_t capacity) { return capacity > 0 && capacity / block_entries < longest; });
  };
  // Blocks are no more than their entries: mostly they need not be counted.
  if (!policy_needs(config.policy).whole_selection || below(trace.longest_union()) == entries.end()) {
    return;
  }
  const std::uint64_t longest = longest_union(trace, config.granularity);
  if (const auto too_small = below(longest); too_small != entries.end()) {
    throw ConfigError(option, "{} keeps {}: expected 0 or at least {} entries{}, found {}", to_string(config.policy),
                      trace.header().has_queries ? "what the queries of a step select together" : "a whole selection",
                      longest * block_entries,
                      block_entries == 1 ? "" : fmt::format(" ({} blocks of {})", longest, block_entries), *too_small);
  }
}

/// `entries` of each layer's caches or of each stream's.
void check_pins(const TraceReader& trace, const ReplayConfig& config, const std::vector<std::uint64_t>& entries) {
  if (!config.pins.any()) {
    return;
  }
  const std::uint64_t least = policy_needs(config.policy).whole_selection ? trace.longest_union() : 0;
  const std::size_t width = std::max<std::size_t>(entries.size() / trace.layer_count(), 1);
  for (std::size_t i = 0; i < std::max<std::size_t>(entries.size(), trace.layer_count()); ++i) {
    const std::uint64_t capacity = entries[entries.size() == 1 ? 0 : i];
    const std::uint64_t pinned = pinned_entries(trace, config, static_cast<std::uint32_t>(i / width));
    if (capacity > 0 && capacity < pinned + least) {
      throw ConfigError("`pin`", "takes {} entries of a cache{}: expected a capacity of 0 or at least {}, found {}",
                        pinned,
                        least == 0 ? "" : fmt::format(" beside the {} that {} keeps", least, config.policy.name),
                        pinned + least, capacity);
    }
  }
}

std::vector<std::uint64_t> effective_capacity(const TraceReader& trace, const ReplayConfig& config,
                                              const std::vector<std::uint64_t>& cost_bytes) {
  const bool listed = !config.capacity_list.empty();
  std::vector<std::uint64_t> entries = listed                        ? capacity_one_by_one(trace, config)
                                       : config.capacity.is_of_all() ? capacity_of_budget(trace, config, cost_bytes)
                                                                     : capacity_by_layer(trace, config, cost_bytes);
  if (all_equal(entries)) {
    entries.resize(1);
  }
  check_pins(trace, config, entries);
  check_selection(trace, config, entries,
                  listed                        ? capacities_option
                  : config.capacity.is_budget() ? "`budget`"
                                                : "`capacity`");
  return entries;
}

/// What is not defined, or not known, where steps have several queries or layers share a store.
void check_shape(const TraceReader& trace, const ReplayConfig& config) {
  const TraceHeader& header = trace.header();
  const PolicyNeeds needs = policy_needs(config.policy);
  if (config.step.times_steps()) {
    trace.require_equal_stores("`model`, the time of a token,");
  }
  if (config.new_token != NewToken::demand) {
    trace.require_single_queries("`new_token` other than demand");
  }
  if (needs.scores) {
    trace.require_single_queries("a policy that reads scores");
  }
  if (header.shares_stores() && (config.new_token == NewToken::allocate || needs.one_stream)) {
    trace.require_equal_stores(needs.one_stream ? config.policy.name : "`new_token` allocate");
  }
  if (header.mixes_units() && config.capacity_list.empty() && config.capacity.unit() == Capacity::Unit::context) {
    throw ConfigError("`capacity`", "{}: the entries of its layers differ in tokens; expected entries, or as in 2x",
                      trace.name());
  }
  if (!trace.rejects_queries()) {
    return;
  }
  if (header.ids == IdKind::physical) {
    throw ConfigError(trace.name(),
                      "rejects queries, and its ids are slots: when a slot has another entry is not known");
  }
  if (!can_forget(config.policy)) {
    throw ConfigError("`policy`", "{}: {} rejects queries, whose entries it cannot forget", to_string(config.policy),
                      trace.name());
  }
}

void check_policy(const TraceReader& trace, const ReplayConfig& config) {
  const PolicyNeeds needs = policy_needs(config.policy);
  if (needs.scores && !trace.header().has_scores) {
    throw ConfigError("`policy`", "{} needs the indexer's scores: expected a trace with scores, found none in {}",
                      config.policy.name, trace.name());
  }
  if (needs.one_stream && config.scope != Scope::stream) {
    throw ConfigError("`scope`", "{} is defined for one stream: expected stream, found {}", config.policy.name,
                      scope_names[static_cast<std::size_t>(config.scope)].first);
  }
}

void check_retention(const ReplayConfig& config) {
  constexpr const char* option = "`retention_steps`";
  if (config.retention_steps != 0 && !(config.retention_steps >= least_retention_steps)) {
    throw ConfigError(option, "expected at least {} steps, found {}", least_retention_steps, config.retention_steps);
  }
  if (config.retention_steps != 0 && config.prefetch.any()) {
    throw ConfigError(option, "refreshes are counted of rows that selections bring in; expected no `prefetch`");
  }
}

void check_step(const StepSpec& step) {
  if (step.model.empty() != step.gpu.empty()) {
    throw ConfigError(step.model.empty() ? "`model`" : "`gpu`", "expected one: a model and a GPU go together");
  }
  const auto needs_model = [&](const char* option, bool given) {
    if (given && !step.times_steps()) {
      throw ConfigError(option, "expected `model` and `gpu` with it");
    }
  };
  const Deployment plain;
  needs_model("`tp`", step.deployment.tensor_parallel != plain.tensor_parallel);
  needs_model("`ep`", step.deployment.expert_parallel != plain.expert_parallel);
  needs_model("`dp_attention`", step.deployment.dp_attention);
  needs_model("`kv_dtype`", step.deployment.kv.has_value());
  needs_model("`expert_spread`", step.deployment.spread != plain.spread);
  needs_model("`host_ns`", step.deployment.host_ns != 0);
  needs_model("`energy`", step.energy);
  needs_model("`kernels`", !step.kernels.empty());
  needs_model("`overlap`", step.overlap != StepSpec{}.overlap);
  needs_model("`reservation_cost`", step.reservation_cost != StepSpec{}.reservation_cost);
}

void check_llc(const EffectiveConfig& effective) {
  const ReplayConfig& config = effective.asked;
  if (!effective.llc && config.set_aside_bytes > 0) {
    throw ConfigError("`set_aside`", "expected `llc` with it: it is a part of that cache");
  }
  if (!effective.llc && config.llc_stream_bytes > 0) {
    throw ConfigError("`llc_stream`", "expected `llc` with it: it passes through that cache");
  }
}

/// The memory, the last-level cache, and what they need to know.
void add_time(const TraceReader& trace, EffectiveConfig& effective) {
  const ReplayConfig& config = effective.asked;
  effective.memory = config.memory;
  effective.llc = config.llc;
  if (config.step.times_steps()) {
    const Gpu gpu = load_gpu(config.step.gpu);
    effective.gpu_name = config_title(gpu.name);
    effective.gpu_config = named_config("`gpu`", "gpus", config.step.gpu);
    effective.model_name = config_title(config.step.model);
    effective.model_config = named_config("`model`", "models", config.step.model);
    if (is_config_file(config.step.kernels)) {
      effective.kernels_config = named_config("`kernels`", "kernels", config.step.kernels);
    }
    if (config.memory.name.empty()) {
      effective.memory.name = gpu.memory;
    }
    if (config.llc_of_gpu) {
      effective.llc = parse_llc(gpu.llc);
    }
    const bool own = is_gpu_memory(config.step, config.memory);
    const bool fits = gpu.llc_set_aside_bytes && effective.reservation.bytes.value_or(0) <= *gpu.llc_set_aside_bytes;
    effective.counts_set_aside = own && fits && config.step.reservation_cost == ReservationCost::set_aside &&
                                 (effective.reservation.entries > 0 || config.set_aside_bytes > 0);
    effective.row_memory = own ? RowMemory::gpu : RowMemory::other;
  } else if (config.llc_of_gpu) {
    throw ConfigError("`llc`", "expected `gpu` with \"gpu\", or the cache itself");
  }
  check_llc(effective);
  const Memory memory = make_memory(effective.memory);
  if ((memory.model->needs().row_bytes || memory.model->needs().lines || effective.llc) && effective.entry_bytes == 0) {
    throw ConfigError("`entry_bytes`", "{} does not give its entries' bytes, which `{}` needs", trace.name(),
                      effective.llc ? "llc" : "memory");
  }
  effective.memory_model = memory.model_name;
  if (effective.memory_model == "host" || effective.memory_model == "nvme") {
    effective.row_memory = RowMemory::host;
    effective.counts_set_aside = false;
  }
  effective.memory_config = memory.config;
}

/// As AccessOrder leaves accesses out.
bool has_hits_apart(const TraceReader& trace, const ReplayConfig& config) {
  return config.resident_blocks > 0 || config.new_token == NewToken::pinned || config.pins.any() ||
         !config.granularity.is_entry() || (trace.header().has_queries && policy_needs(config.policy).whole_selection);
}

}  // namespace

std::uint64_t longest_union(const TraceReader& trace, const Granularity& granularity) {
  if (granularity.block_entries == 1) {
    return trace.longest_union();
  }
  StepUnion step(trace, granularity.block_entries);
  std::uint64_t longest = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
    while (cursor.next()) {
      for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
        longest = std::max(longest, step.count(cursor, layer));
      }
    }
  }
  return longest;
}

std::uint64_t cache_count(const TraceReader& trace, Scope scope) {
  return (mixes_layers(scope) ? 1 : std::uint64_t{store_owners(trace.header()).size()}) *
         (scope == Scope::shared || scope == Scope::layer ? 1 : trace.request_count());
}

Reservation reservation_of(const TraceReader& trace, const EffectiveConfig& config,
                           std::span<const std::uint64_t> capacity_entries) {
  const auto& cost_bytes = config.entry_cost_bytes;
  Reservation reservation{.caches = cache_count(trace, config.asked.scope), .entries = 0, .bytes = {}};
  std::uint64_t bytes = 0;
  const auto add = [&](std::uint64_t caches, std::uint64_t entries, std::uint64_t entry_bytes) {
    const std::uint64_t all = saturated(Wide{caches} * entries);
    reservation.entries = saturated(Wide{reservation.entries} + all);
    bytes = saturated(Wide{bytes} + Wide{all} * entry_bytes);
  };
  if (mixes_layers(config.asked.scope)) {
    add(reservation.caches, capacity_entries.front(), *std::max_element(cost_bytes.begin(), cost_bytes.end()));
  } else if (capacity_entries.size() > cost_bytes.size()) {  // of each stream
    for (const std::uint32_t layer : store_owners(trace.header())) {
      for (std::size_t request = 0; request < trace.request_count(); ++request) {
        add(1, capacity_entries[std::size_t{layer} * trace.request_count() + request], cost_bytes[layer]);
      }
    }
  } else {
    const std::vector<std::uint32_t> owners = store_owners(trace.header());
    for (const std::uint32_t layer : owners) {
      add(reservation.caches / owners.size(), capacity_entries[capacity_entries.size() == 1 ? 0 : layer],
          cost_bytes[layer]);
    }
  }
  if (config.entry_bytes != 0) {
    reservation.bytes = bytes;
  }
  return reservation;
}

EffectiveConfig effective_config(const TraceReader& trace, const ReplayConfig& config) {
  check_positions(trace, config);
  check_policy(trace, config);
  check_shape(trace, config);
  check_new_token(config);
  check_prefetch(trace, config);
  check_retention(config);
  EffectiveConfig effective;
  effective.asked = config;
  effective.asked.policy = complete_policy(config.policy);
  check_step(config.step);
  std::uint64_t model_entry_bytes = trace.header().entry_bytes;
  std::optional<std::uint64_t> selecting_layers;
  if (config.step.times_steps()) {
    const Model model = load_model(config.step.model);
    const Gpu gpu = load_gpu(config.step.gpu);
    const KernelTable table = KernelTable::load(config.step.kernels, gpu);
    const StepKernels kernels(model, gpu, table, config.step.deployment);
    const HiddenLayers hidden(model, trace.header());
    const ModelLayer& selecting = model.layers[hidden.selecting().front()];
    model_entry_bytes = kernels.entry_bytes(selecting);
    selecting_layers = hidden.selecting().size();
    effective.kernels_name = table.name();
    effective.lower_bound = table.lower_bound();
    effective.kv = kernels.kv();
  }
  effective.entry_bytes = config.entry_bytes.value_or(model_entry_bytes);
  effective.row_bytes = row_bytes(trace, config, effective.entry_bytes);
  effective.entry_bytes = effective.row_bytes.front();
  check_granularity(trace, config, effective.row_bytes);
  effective.entry_cost_bytes = entry_cost_bytes(trace, effective.row_bytes, selecting_layers);
  effective.page_tokens = effective_page_tokens(trace, config);
  effective.steps = effective_steps(trace, config);
  effective.counted_steps =
      trace.busy_steps({.first = effective.steps.first + config.warmup_steps, .last = effective.steps.last});
  effective.capacity_entries = effective_capacity(trace, config, effective.entry_cost_bytes);
  effective.reservation = reservation_of(trace, effective, effective.capacity_entries);
  effective.hits_apart = has_hits_apart(trace, config);
  add_time(trace, effective);
  return effective;
}

bool is_gpu_memory(const StepSpec& step, const MemorySpec& memory) {
  return memory.parameters.empty() && !memory.miss_ns &&
         (memory.name.empty() || (!step.gpu.empty() && memory.name == load_gpu(step.gpu).memory));
}

std::vector<std::string> config_files(const StepSpec& step, const MemorySpec& memory) {
  std::vector<std::string> names = {step.model, step.gpu, step.kernels, memory.name};
  std::error_code error;
  if (is_config_file(step.gpu) && std::filesystem::is_regular_file(step.gpu, error)) {
    names.push_back(load_gpu(step.gpu).memory);
  }
  std::erase_if(names, [](const std::string& name) { return !is_config_file(name); });
  return names;
}

}  // namespace dsasim
