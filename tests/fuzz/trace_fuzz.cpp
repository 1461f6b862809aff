// Opens any bytes as a trace that may be cut off, and verifies it. Only a TraceError may come of it.
//
// No random change survives the checksums, so the mutator makes them right again after each: what is tried are the
// checks behind them. Lanes are compressed, and the changes within them better made by lane_fuzz.

#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"
#include "trace/reseal.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  const std::size_t new_size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 16 != 0) {  // now and then a checksum stays wrong
    traces::reseal(data, new_size);
  }
  return new_size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("trace", 0);
  if (file < 0 || ::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) {
    std::abort();
  }
  try {
    const dsasim::TraceReader reader("/proc/self/fd/" + std::to_string(file), {.allow_truncated = true});
    reader.verify();
  } catch (const dsasim::TraceError&) {
    return 0;
  }
  return 0;
}
