#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

// When the requests of a batch come in, and from which step on each decodes.

namespace dsasim {

/// --arrivals and what goes with it.
struct ArrivalOptions {
  std::string file;                        ///< empty: all requests begin at step 0, or as their captures say
  std::optional<double> step_ms;           ///< of a decode step, where the file has times
  std::optional<std::uint32_t> max_batch;  ///< requests that decode at a step; none: any number
};

/// A request that comes in, in whole steps of the batch, rounded up.
struct Arrival {
  std::uint64_t step = 0;
  std::optional<std::uint64_t> prompt_tokens;  ///< input_length
  std::optional<std::uint64_t> output_tokens;  ///< output_length
};

/// Reads a file of arrivals, in the order of the file: JSON lines with `timestamp` in milliseconds, `input_length` and
/// `output_length`, as the traces of Mooncake have them, or a CSV with the column start_step and, both or none of them,
/// input_length and output_length. It may be compressed. Throws TraceError, naming the line, for a value that is no
/// number, an arrival before the one above it, lengths of 0 and more than 2^20 arrivals; ConfigError for a step_ms that
/// is missing or has no use.
std::vector<Arrival> read_arrivals(const ArrivalOptions& options);

/// Whether a file of arrivals has times, which read_arrivals() needs a step_ms for; otherwise it has steps. Throws as
/// that does for a file that cannot be read.
bool arrivals_have_times(const std::string& file);

/// By request, the step at which it begins to decode: that of its arrival, or a later one while `max_batch` requests
/// decode. Requests begin in the order in which they arrive, and request i decodes for steps[i] steps. No more requests
/// than arrivals. Throws ConfigError where one would begin beyond the steps that a trace can have.
std::vector<std::uint32_t> start_steps(std::span<const Arrival> arrivals, std::span<const std::uint64_t> steps,
                                       const ArrivalOptions& options);

}  // namespace dsasim
