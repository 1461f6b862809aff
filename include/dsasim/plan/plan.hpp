#pragma once

#include "dsasim/replay/replay.hpp"
#include "dsasim/step/step_times.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Entries of each layer's KV of a request that are in GPU memory: those of a hot buffer, or all.
struct BufferSize {
  std::string text;           ///< as it was asked for: 2x, 4096, all
  double top_ks = 0;          ///< times the model's top-k; 0: `entries`
  std::uint64_t entries = 0;  ///< likewise 0: everything is in GPU memory, and nothing moves
  bool is_all() const noexcept { return top_ks == 0 && entries == 0; }
};

/// Takes `--slots`'s text apart: entries of the model, times its top-k (2x), or all. Throws ConfigError.
std::vector<BufferSize> parse_buffer_sizes(std::string_view option, std::string_view text);

/// Rows that are fetched before their layer asks for them.
enum class Prefetch : std::uint8_t {
  none,
  anchor,  ///< a layer that shares an index: its copies start when those of the layer that owns it are done
};
inline constexpr std::array prefetch_names = {ChoiceName<Prefetch>{"none", Prefetch::none},
                                              ChoiceName<Prefetch>{"anchor", Prefetch::anchor}};

/// Which processes keep a copy of the KV in host memory.
enum class HostCopies : std::uint8_t {
  rank,    ///< each GPU that attends to the request
  shared,  ///< one for all GPUs
};
inline constexpr std::array host_copies_names = {ChoiceName<HostCopies>{"rank", HostCopies::rank},
                                                 ChoiceName<HostCopies>{"shared", HostCopies::shared}};

/// Where misses of other contexts and selections than the trace's come from.
enum class Extrapolation : std::uint8_t {
  generate,  ///< a trace that is drawn from the trace's statistics (`dsasim generate --like`)
  scale,     ///< the trace's own ratio of misses, of the model's selection
};
inline constexpr std::array extrapolation_names = {ChoiceName<Extrapolation>{"generate", Extrapolation::generate},
                                                   ChoiceName<Extrapolation>{"scale", Extrapolation::scale}};

/// Entries of a page of KV, of which requests get whole ones: SGLang's and vLLM's for these models.
inline constexpr std::uint64_t kv_page_entries = 64;
inline constexpr std::uint64_t most_plan_context = 100'000'000;  ///< tokens
/// In the place of a file of arrivals: requests come in at the traces' start steps, with the lengths that they have
/// there.
inline constexpr std::string_view arrivals_of_trace = "trace";

struct PlanConfig {
  ReplayConfig replay;               ///< policy, what enters a buffer when, steps, model, GPU and deployment
  std::string host = "pcie5";        ///< the link to host memory: a configuration of the memory model `host`, or a file
  std::uint64_t context_tokens = 0;  ///< of each request
  std::vector<BufferSize> slots;
  Prefetch prefetch = Prefetch::anchor;
  Extrapolation extrapolation = Extrapolation::generate;
  std::optional<std::uint64_t> batch;        ///< none: the largest that the memory, and `slo_tpot_ns`, let
  std::optional<std::uint64_t> slo_tpot_ns;  ///< of the mean token
  std::uint64_t max_batch = 1024;            ///< that the stack runs
  /// Of the GPU's memory, for weights and requests; the rest is activations, graphs, communication.
  double memory_fraction = 0.9;
  std::optional<std::uint64_t> host_bytes;  ///< of the node, for KV; none: as much as it takes
  /// Drives that hold all KV: a configuration of the memory model `nvme`, or a file; host memory holds the rows that
  /// were used last, as far as host_bytes go. Empty: none, and host memory holds all KV.
  std::string nvme;
  HostCopies host_copies = HostCopies::rank;
  std::uint64_t ranks_per_link = 1;  ///< GPUs behind one link
  /// GPU memory that a batch leaves holds pages of its requests above their buffers: the newest of each, all requests
  /// alike. Their rows bypass the buffer, and more requests spill them. ReplayConfig::resident_blocks are never
  /// spilled.
  bool resident_pages = false;
  std::string arrivals;  ///< empty: batches are steady; `arrivals_of_trace`, or a file as read_arrivals() takes
};

/// Bytes of one request.
struct RequestBytes {
  std::uint64_t keys = 0;  ///< of indexers, which never move; on each GPU that attends to the request
  std::uint64_t kv = 0;    ///< entries in that GPU's memory: whole pages, and a buffer's slots
  std::uint64_t host = 0;  ///< all copies together
  std::uint64_t gpu() const noexcept { return keys + kv; }
};

/// What a batch of so many requests does with one buffer size.
struct PlanPoint {
  std::uint64_t batch = 0;
  Tpot tpot = {};
  double exposed_ns = 0;                 ///< of a mean token: for the link and for looking up
  double hidden_ns = 0;                  ///< of a mean token: transfers beside compute
  double link_bytes = 0;                 ///< of a mean step, over one GPU's link
  double misses = 0;                     ///< of a mean step, layer and request, in rows
  double nvme_share = 0;                 ///< of these rows, those that host memory does not hold
  double nvme_bytes = 0;                 ///< of a mean step, read by all drives
  std::uint64_t resident_pages = 0;      ///< of each request's KV, above its buffer
  double tokens_per_s() const noexcept;  ///< of the node
  double link_bytes_per_s() const noexcept;
  double nvme_bytes_per_s() const noexcept;
};

/// Of requests. Nearest ranks.
struct Spread {
  double mean_ns = 0;
  std::uint64_t p95_ns = 0;
  std::uint64_t p99_ns = 0;
};

/// Steps in which the same requests decode, and others wait.
struct BatchStretch {
  std::uint64_t start_ns = 0;
  std::uint64_t ns = 0;
  std::uint64_t steps = 0;
  std::uint64_t running = 0;
  std::uint64_t waiting = 0;      ///< at its start
  std::uint64_t preemptions = 0;  ///< before its first step
  std::uint64_t gpu_bytes = 0;    ///< at its last step: of the GPU that holds most
  std::uint64_t host_bytes = 0;   ///< likewise, of the node
};

/// A batch of requests that come in one after the other.
struct OverTime {
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;
  std::uint64_t steps = 0;
  std::uint64_t duration_ns = 0;  ///< from the first arrival to the last token
  double mean_running = 0;        ///< of that time
  std::uint64_t most_running = 0;
  std::uint64_t preemptions = 0;
  Spread wait = {};  ///< for memory, and for the end of a step; after a preemption, too
  Spread tpot = {};  ///< of a request: from its admission to its last token, by its tokens
  std::vector<BatchStretch> stretches = {};
  double tokens_per_s() const noexcept;
};

/// One buffer size.
struct PlanRow {
  BufferSize size = {};
  std::optional<std::uint64_t> slots = {};  ///< of the model; none: all
  RequestBytes bytes = {};
  std::uint64_t max_batch = 0;  ///< that memory and PlanConfig::max_batch let run
  double miss_ratio = 0;        ///< of the steps that were replayed; 0 for all
  std::optional<double> trace_error =
      {};  ///< drawn / real misses at the trace's own shape - 1; none where nothing is drawn
  std::optional<PlanPoint> point = {};                 ///< none: nothing fits, or nothing keeps the limit
  std::optional<std::uint64_t> break_even_batch = {};  ///< from which it beats everything in GPU memory, at its best
  std::optional<OverTime> over_time = {};              ///< none: no arrivals, or one of them never fits
};

/// What a tenth more of something does to the tokens a second of the best row; none: the row has nothing of it.
struct Sensitivity {
  std::optional<double> link = {};
  std::optional<double> memory = {};
  std::optional<double> slots = {};
};

struct PlanResult {
  PlanConfig config = {};
  std::string model = {};
  std::string gpu = {};
  std::string kernels = {};
  bool lower_bound = false;  ///< of tokens: kernels by the data sheet
  std::optional<KvType> kv = {};
  std::vector<std::string> traces = {};
  bool drawn = false;             ///< misses are of traces that were drawn like these
  std::uint64_t trace_top_k = 0;  ///< of the first
  std::uint64_t model_top_k = 0;
  std::uint64_t weight_bytes = 0;  ///< of one GPU
  std::uint64_t free_bytes = 0;    ///< of one GPU, for requests
  std::vector<PlanRow> rows = {};
  std::optional<std::size_t> best = {};                ///< of `rows`: most tokens a second
  std::optional<std::uint64_t> break_even_batch = {};  ///< the smallest of the rows
  Sensitivity sensitivity = {};
};

/// Throws as replay() does, and ConfigError for a model that selects nothing or does not fit the GPUs, and for a
/// context or buffers that the model or the policy does not take. `on_share` is told how much is done.
PlanResult plan(std::span<const TraceReader* const> traces, const PlanConfig& config, std::uint32_t jobs,
                const std::function<void(double share)>& on_share = {});

}  // namespace dsasim
