#pragma once

#include "dsasim/import/source.hpp"

#include <cstdint>
#include <memory>

namespace dsasim {

/// The first `steps` steps of each request of a file, or all where there are no more: `--steps`.
std::unique_ptr<CaptureFile> first_steps(std::unique_ptr<CaptureFile> file, std::uint64_t steps);

}  // namespace dsasim
