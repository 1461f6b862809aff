#pragma once

#include "dsasim/generate/model.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace dsasim {

using GenerateProgress = std::function<void(std::uint64_t steps_done, std::uint64_t steps_total)>;

/// Draws a trace from the model and writes it to `path`, which it is called when it is whole. The bytes depend on the
/// model and the seed only. Works request after request; memory grows with the context and the layers, not with steps
/// or requests. Throws ConfigError for a model no trace can be drawn from, SystemError if the file cannot be written.
void generate(const SelectionModel& model, std::uint64_t seed, const std::filesystem::path& path,
              const GenerateProgress& progress = {});

}  // namespace dsasim
