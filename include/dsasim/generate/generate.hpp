#pragma once

#include "dsasim/generate/model.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

namespace dsasim {

using GenerateProgress = std::function<void(std::uint64_t steps_done, std::uint64_t steps_total)>;

/// Draws a trace from the model and writes it to `path`, which it is called when it is whole. The bytes depend on the
/// model and the seed only. Works request after request; memory grows with the context and the layers, not with steps
/// or requests. Throws ConfigError for a model no trace can be drawn from, SystemError if the file cannot be written.
void generate(const SelectionModel& model, std::uint64_t seed, const std::filesystem::path& path,
              const GenerateProgress& progress = {});

/// The same of requests that differ: `model_of` gives the model of each, which has the shape's prompt and steps. All
/// models have the same layers.
using ModelOf = std::function<SelectionModel(const RequestShape& request)>;
void generate(std::span<const RequestShape> batch, const ModelOf& model_of, std::uint64_t seed,
              const std::filesystem::path& path, const GenerateProgress& progress = {});

/// Steps until a request has accepted so many tokens, or 2^20, which are more than it can have. The last may accept
/// more.
std::uint64_t steps_to_accept(std::uint64_t tokens, const SelectionModel& model, std::uint64_t seed,
                              std::uint32_t request);

}  // namespace dsasim
