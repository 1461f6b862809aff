// Reads any bytes as a file of arrivals and has the requests begin. Only an Error that names the file may come of it;
// who begins does so in order, not before it arrives, and no more than max_batch decode at a time.
//
// The first byte chooses what the user says; the rest is the file.

#include "dsasim/error.hpp"
#include "dsasim/import/arrivals.hpp"
#include "fuzz/fuzzing.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace dsasim;

/// As few as a slow check of every pair can look at.
constexpr std::size_t most_requests = 64;

void check(const std::vector<Arrival>& arrivals, const ArrivalOptions& options) {
  const std::size_t count = std::min(arrivals.size(), most_requests);
  std::vector<std::uint64_t> steps(count);
  for (std::size_t i = 0; i < count; ++i) {
    steps[i] = 1 + arrivals[i].output_tokens.value_or(i) % 7;
  }
  const auto starts = start_steps(arrivals, steps, options);
  require(starts.size() == count);
  for (std::size_t i = 0; i < count; ++i) {
    require(starts[i] >= arrivals[i].step && (i == 0 || starts[i] >= starts[i - 1]));
    std::uint64_t decoding = 0;  // when request i begins
    for (std::size_t other = 0; other <= i; ++other) {
      decoding += starts[i] < starts[other] + steps[other] ? 1 : 0;
    }
    require(!options.max_batch || decoding <= *options.max_batch);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  ArrivalOptions options{.file = path_of(data + 1, size - 1), .step_ms = {}, .max_batch = {}};
  if ((data[0] & 1U) != 0) {
    options.step_ms = 20.0;
  }
  if ((data[0] & 2U) != 0) {
    options.max_batch = 1 + (data[0] >> 4U);
  }
  try {
    check(read_arrivals(options), options);
  } catch (const ConfigError&) {
    // what the user says does not go with the file
  } catch (const Error& error) {
    require_names(error.what(), options.file);
  }
  return 0;
}
