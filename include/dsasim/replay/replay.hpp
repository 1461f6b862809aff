#pragma once

#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/llc/llc.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/replay/capacity.hpp"
#include "dsasim/replay/counters.hpp"
#include "dsasim/step/step_spec.hpp"
#include "dsasim/step/step_times.hpp"
#include "dsasim/trace/reader.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// Who shares a cache.
enum class Scope : std::uint8_t {
  shared,   ///< one cache for all streams
  layer,    ///< one for each layer, shared by the requests
  request,  ///< one for each request, shared by its layers
  stream,   ///< one for each (request, layer)
};
/// The order of the accesses of a selection.
enum class Order : std::uint8_t { logged, ascending };
/// What caches hold before the first step.
enum class Warm : std::uint8_t { none, first, prompt_tail };
/// What becomes of the entry that the step itself appends.
enum class NewToken : std::uint8_t {
  demand,    ///< enters when it is first selected, as a miss
  allocate,  ///< is put in as the newest before the step's accesses
  pinned,    ///< has a slot of its own outside the capacity until the next one appears, and is absent afterwards
};
/// A block of the KV pool, as ReplayConfig::resident_blocks counts them: vLLM's for sparse attention.
inline constexpr std::uint32_t resident_block_entries = 64;

inline constexpr std::array scope_names = {
    ChoiceName<Scope>{"shared", Scope::shared}, ChoiceName<Scope>{"layer", Scope::layer},
    ChoiceName<Scope>{"request", Scope::request}, ChoiceName<Scope>{"stream", Scope::stream}};
inline constexpr std::array order_names = {ChoiceName<Order>{"logged", Order::logged},
                                           ChoiceName<Order>{"ascending", Order::ascending}};
inline constexpr std::array warm_names = {ChoiceName<Warm>{"none", Warm::none}, ChoiceName<Warm>{"first", Warm::first},
                                          ChoiceName<Warm>{"prompt-tail", Warm::prompt_tail}};
inline constexpr std::array new_token_names = {ChoiceName<NewToken>{"demand", NewToken::demand},
                                               ChoiceName<NewToken>{"allocate", NewToken::allocate},
                                               ChoiceName<NewToken>{"pinned", NewToken::pinned}};

/// Entries of each stream that its cache holds whatever the policy does: the first of the context, and the newest.
struct Pins {
  std::uint32_t sink_entries = 0;
  std::uint32_t recent_entries = 0;  ///< as the first query of a step sees the context; drafts come on top

  bool any() const noexcept { return sink_entries > 0 || recent_entries > 0; }
};
/// As the option is written: sink=4,recent=64. Throws ConfigError.
Pins parse_pins(std::string_view text);
std::string to_string(const Pins& pins);

/// Where rows that are fetched before a selection go.
enum class PrefetchInto : std::uint8_t {
  buffer,  ///< into the cache, as the newest
  side,    ///< into an area of the stream's own outside the capacity, which each selection empties
};
inline constexpr std::array prefetch_into_names = {ChoiceName<PrefetchInto>{"buffer", PrefetchInto::buffer},
                                                   ChoiceName<PrefetchInto>{"side", PrefetchInto::side}};

/// What is fetched before each selection (docs/prefetch.md): of a predictor's guess, the first entries that are not
/// resident.
struct PrefetchSpec {
  std::string predictor;   ///< see predictor_descriptions(); empty: nothing is
  std::uint32_t rows = 0;  ///< the most for a selection
  PrefetchInto into = PrefetchInto::buffer;

  bool any() const noexcept { return !predictor.empty(); }
};
/// As the option is written: history,rows=64,into=side, or none. Throws ConfigError.
PrefetchSpec parse_prefetch(std::string_view text);
std::string to_string(const PrefetchSpec& prefetch);

/// What a cache holds and fetches, in terms of the entries that are selected (docs/replay.md).
struct Granularity {
  std::uint32_t block_entries = 1;  ///< blocks of so many entries; 1: entries
  bool tokens = false;              ///< instead, the tokens that an entry stands for, one by one

  bool is_entry() const noexcept { return !tokens && block_entries == 1; }
};
/// As the option is written: 64, or tokens. Throws ConfigError.
Granularity parse_granularity(std::string_view text);
std::string to_string(const Granularity& granularity);

struct ReplayConfig {
  PolicySpec policy;
  Scope scope = Scope::stream;
  Capacity capacity = Capacity::parse("2x");
  /// In its place, entries one by one, at scope layer or stream: of each layer's caches, or, at scope stream, of each
  /// stream's (layer * requests + request). None: `capacity`.
  std::vector<std::uint64_t> capacity_list = {};
  std::optional<std::uint64_t> entry_bytes;  ///< of one layer; otherwise the trace's
  std::optional<std::uint32_t> page_tokens;  ///< otherwise default_page_tokens; 0 takes the trace's
  Order order = Order::logged;
  Warm warm = Warm::none;
  NewToken new_token = NewToken::demand;
  /// The newest blocks of each stream's context whose entries are resident outside the capacity: hits that no cache
  /// sees, and absent once their block is not among these. Only with NewToken::demand.
  std::uint32_t resident_blocks = 0;
  Pins pins = {};  ///< hits within the capacity; only with NewToken::demand
  PrefetchSpec prefetch = {};
  Granularity granularity = {};
  /// For so many steps a row stays without being used or refreshed; 0: refreshes are not counted. At least
  /// least_retention_steps.
  double retention_steps = 0;
  std::optional<StepRange> steps;  ///< otherwise all
  std::uint64_t warmup_steps = 0;  ///< the first of the range, replayed and not counted
  MemorySpec memory;
  std::optional<LlcSpec> llc;  ///< the cache around the reservation; none: what is not reserved is read from memory
  bool llc_of_gpu = false;     ///< instead of `llc`: that of the step's GPU
  std::uint64_t set_aside_bytes = 0;   ///< of the ordinary part: rows that the reservation misses are marked there
  std::uint64_t llc_stream_bytes = 0;  ///< of other data, read through the ordinary part before each layer's gather
  StepSpec step;
};
inline constexpr std::uint32_t default_page_tokens = 16;
inline constexpr double least_retention_steps = 0.001;

/// What all caches of a replay reserve together.
struct Reservation {
  std::uint64_t caches = 0;
  std::uint64_t entries = 0;           ///< 2^64 - 1 if they are more
  std::optional<std::uint64_t> bytes;  ///< likewise; none if those of an entry are unknown
};

/// Caches of a scope, over a trace.
std::uint64_t cache_count(const TraceReader& trace, Scope scope);

/// Where the rows of a step with a model come from: docs/step-time.md says what is added to what.
enum class RowMemory : std::uint8_t {
  gpu,    ///< the GPU's own memory: the attention kernel was measured with it, and gathers inside
  host,   ///< into the GPU's memory before the kernel, which reads them there
  other,  ///< another memory in the place of the GPU's
};

/// What the pins of all streams of one cache take of its capacity, of a cache that holds streams of `layer`.
std::uint64_t pinned_entries(const TraceReader& trace, const ReplayConfig& config, std::uint32_t layer);

/// The most entries, or blocks of so many, that the queries of one step of one stream select together. The trace is
/// decoded to count blocks; throws TraceError on damage.
std::uint64_t longest_union(const TraceReader& trace, const Granularity& granularity);

/// The configuration as it was applied to a trace: nothing left to default.
struct EffectiveConfig {
  ReplayConfig asked;
  /// In whole blocks. One number if all are equal; otherwise of a layer's caches, or of each stream's (layer * requests
  /// + request).
  std::vector<std::uint64_t> capacity_entries;
  std::uint64_t entry_bytes = 0;         ///< 0 if unknown; where layers differ, those of the first
  std::vector<std::uint64_t> row_bytes;  ///< by layer: of a row of its KV store, all known or all 0
  /// By layer: of an entry in all the layers that the layer of the trace stands for, its group's or the model's.
  std::vector<std::uint64_t> entry_cost_bytes;
  Reservation reservation;
  std::uint32_t page_tokens = 0;
  StepRange steps;
  std::uint64_t counted_steps = 0;  ///< after the warm-up, at which some request selects
  MemorySpec memory;
  std::string_view memory_model;
  std::optional<ConfigObject> memory_config;  ///< all parameters of the memory model; none for `serial`
  std::optional<LlcSpec> llc;
  RowMemory row_memory = RowMemory::gpu;  ///< with a model
  /// Some hits are of accesses that no cache sees: of entries resident elsewhere, pinned, or repeated in a union or
  /// block.
  bool hits_apart = false;
  bool counts_set_aside = false;  ///< a token has what setting a part of the L2 aside costs
  std::string model_name;         ///< empty unless decode steps are timed
  std::string gpu_name;
  std::string kernels_name;
  bool lower_bound = false;  ///< kernels by the data sheet
  std::optional<KvType> kv;  ///< of a model with latent attention
  std::optional<ConfigObject> model_config;
  std::optional<ConfigObject> gpu_config;
  std::optional<ConfigObject> kernels_config;  ///< of the user's file; what is named goes with the tool's version
};

struct ReplayResult {
  EffectiveConfig config;
  Counters totals;
  std::vector<Counters> layers;
  std::vector<Counters> requests;
  std::optional<StepTimes> step_times;  ///< with a model and a GPU
};

/// One (step, layer, request), as it was counted.
struct StepRow {
  std::uint64_t step;
  std::uint32_t layer;
  std::uint32_t request;
  Counters counters;
  std::uint32_t run = 0;  ///< the place of its configuration among those that are replayed
};

struct ReplayHooks {
  std::function<void(const StepRow&)> on_row;  ///< in replay order, without warm-up steps
  /// Before on_row of the row, and in warm-up steps as well: the entries that missed, in the order in which they did.
  std::function<void(const StepRow& row, std::span<const EntryId> missed)> on_missed;
  /// The 64-byte lines that a gather of one layer reads from memory; in replay order, without warm-up steps.
  std::function<void(std::span<const std::uint64_t> lines)> on_lines;
  std::function<void(const StepTimeRow&)> on_times;                      ///< likewise, with a model and a GPU
  std::function<void(std::uint64_t done, std::uint64_t total)> on_step;  ///< for progress
};

/// Replays a trace through one configuration, on `jobs` threads; the result does not depend on how many. Memory: the
/// directories (four bytes for each id below the largest of each stream, or a few bits), the caches, and the decoded
/// steps of a block; nothing grows with the number of steps. `belady` also reads the trace once backwards before, and
/// keeps four bytes an access in an unnamed file in $TMPDIR.
///
/// Throws ConfigError for a configuration that does not fit the trace, before anything is replayed; TraceError for
/// damage; SystemError if the machine has not the memory.
ReplayResult replay(const TraceReader& trace, const ReplayConfig& config, const ReplayHooks& hooks = {},
                    std::uint32_t jobs = 1);

/// Replays a trace through many configurations, at least one, which share its decoding and, if they are belady's, one
/// look into the future. They must agree on the steps and, those of belady, on all but the capacity. `hooks.on_row`
/// gets the rows of each block configuration by configuration.
std::vector<ReplayResult> replay_all(const TraceReader& trace, std::span<const ReplayConfig> configs,
                                     const ReplayHooks& hooks = {}, std::uint32_t jobs = 1);

/// The checks of replay() alone, and what it would apply.
EffectiveConfig effective_config(const TraceReader& trace, const ReplayConfig& config);

/// The files of the user's that a configuration names: of its model, its GPU, its kernels, and its memory or the
/// GPU's.
std::vector<std::string> config_files(const StepSpec& step, const MemorySpec& memory);

/// Whether a memory is that of the step's GPU, as it is. Throws ConfigError for an unknown GPU.
bool is_gpu_memory(const StepSpec& step, const MemorySpec& memory);

/// With other capacities than those of `config`, in the same form. Every entry of a cache takes its row in all layers
/// that its layer stands for; where a cache holds streams of several layers, the one that stands for most counts.
Reservation reservation_of(const TraceReader& trace, const EffectiveConfig& config,
                           std::span<const std::uint64_t> capacity_entries);

}  // namespace dsasim
