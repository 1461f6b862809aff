#pragma once

#include "dsasim/plan/plan.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// What one request misses in one buffer for each layer of the trace, step after step; in rows of the model's
/// selection.
struct RequestMisses {
  std::vector<std::uint32_t> rows;         ///< [step * layers + layer]
  std::vector<std::uint32_t> blocks = {};  ///< likewise, on drives; empty: host memory holds all rows
};

/// What the requests of all traces miss at one buffer size.
struct BufferMisses {
  std::size_t layers = 0;
  std::uint64_t accesses = 0;
  std::uint64_t misses = 0;
  std::uint64_t looked_up = 0;               ///< accesses that came to a buffer: not of resident blocks
  std::uint64_t beyond_host = 0;             ///< of the misses, rows that host memory does not hold
  std::vector<RequestMisses> requests = {};  ///< at least a step each

  double ratio() const noexcept;
  double looked_up_share() const noexcept;
  double nvme_share() const noexcept;
  void add(BufferMisses more);
};

/// What host memory holds of each request and layer.
struct HostRows {
  std::uint64_t entries = 0;        ///< of the model; 0: all
  std::uint64_t block_entries = 1;  ///< neighbours that a block on a drive has
};

/// Of each buffer size of `slots` entries of the model for each request and layer: one pass over the traces. Where the
/// traces select other numbers than the model's `top_k`, buffers and misses are scaled by it.
///
/// Host memory that does not hold all entries has, of each request and layer, those used last: an LRU of the misses of
/// the buffer. At first it has the end of the prompt, and each new token's entry comes in as the newest.
std::vector<BufferMisses> replay_misses(std::span<const TraceReader* const> traces, const ReplayConfig& config,
                                        std::span<const std::uint64_t> slots, const HostRows& host, std::uint64_t top_k,
                                        std::uint32_t jobs, const std::function<void(double share)>& on_share = {});

/// Traces that are drawn from the statistics of others, in a folder that goes with them.
class DrawnTraces {
 public:
  /// Of another context and top-k, and of the traces' own, to see what drawing changes. Of layers, requests and steps
  /// there are as many as can be drawn in seconds.
  DrawnTraces(std::span<const TraceReader* const> traces, std::uint64_t context_tokens, std::uint64_t top_k,
              const std::function<void(double share)>& on_share);

  /// Of a trace that is drawn for another context: its layers.
  const TraceHeader& header() const noexcept { return drawn_.front()->header(); }
  std::vector<BufferMisses> misses(const ReplayConfig& config, std::span<const std::uint64_t> slots,
                                   const HostRows& host, std::uint64_t top_k, std::uint32_t jobs,
                                   const std::function<void(double share)>& on_share = {}) const;
  /// Drawn misses by real ones, less 1, at the traces' own shape.
  double error(const ReplayConfig& config, std::uint64_t slots, std::uint64_t top_k, std::uint32_t jobs) const;

 private:
  /// In $TMPDIR; goes with all that is in it.
  struct Folder {
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string path;
  };

  Folder folder_;
  std::vector<const TraceReader*> real_;
  std::vector<std::unique_ptr<TraceReader>> drawn_;
  std::vector<std::unique_ptr<TraceReader>> alike_;
};

}  // namespace dsasim
