#pragma once

#include "dsasim/config/config_object.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dsasim {

/// A counter that vLLM exports of its hot buffer, and what it is called here.
struct BufferCounter {
  std::string_view metric;  ///< in a scrape
  std::string_view field;   ///< in a comparison
  std::string_view help;
};

/// vLLM 0.30.0 counts hits and misses once for each layer that owns an index, and the bytes of the missed rows in every
/// layer that shares it. Entries that are resident on the GPU are in neither (hisparse/worker.py and stats.py of its
/// connectors; csrc/libtorch_stable/hisparse_kernels.cu).
inline constexpr std::array<BufferCounter, 3> buffer_counters = {{
    {"vllm:hisparse_cache_hits_total", "hits", "Selected entries that the hot buffer held, in a replay."},
    {"vllm:hisparse_cache_misses_total", "misses", "Selected entries that the hot buffer lacked, in a replay."},
    {"vllm:hisparse_host_to_device_bytes_total", "host_to_device_bytes",
     "Bytes of the rows that were fetched for misses, in a replay."},
}};

/// By buffer_counters; none for what is not known.
using BufferCounts = std::array<std::optional<std::uint64_t>, buffer_counters.size()>;

/// What a report has of these counters.
struct ReportCounts {
  BufferCounts counts;
  std::size_t index_layers = 0;               ///< hits and misses are of so many layers, those of the trace
  std::optional<std::uint64_t> model_layers;  ///< bytes are of so many: with a model, those that the trace's stand for
  std::string model_name;                     ///< empty without a model
};

/// Throws ConfigError for a document that is no dsasim-report/1, and Error for bytes that no integer holds.
ReportCounts report_counts(ConfigObject report);

/// The counters that a report knows, in Prometheus' text format 0.0.4, with the model as a label.
std::string prometheus_of(std::string_view report);

}  // namespace dsasim
