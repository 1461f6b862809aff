#pragma once

#include <cstddef>
#include <cstdint>

namespace traces {

/// Changes a .dsat file, in place; returns its new size. See LLVMFuzzerCustomMutator.
std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned int seed);

}  // namespace traces
