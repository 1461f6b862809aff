#pragma once

#include "dsasim/generate/measure.hpp"
#include "dsasim/generate/model.hpp"

#include <span>
#include <string_view>

namespace dsasim {

/// The statistics of a preset: a few numbers from which the tables of a SelectionModel follow (docs/generate.md). The
/// defaults describe traces/k512-req_0.dsat.
struct PresetStatistics {
  double leave = 0.77;
  double leave_activity = 0.75;
  double leave_decay = 0.55;
  double leave_first = 0.65;
  double leave_first_decay = 0.9;
  double leave_initial = 0.31;
  double leave_initial_decay = 0.75;
  double come_back = 0.68;
  double come_back_rare = 0.16;
  double come_back_decay = 0.68;
  double first = 0.15;
  double first_decay = 0.35;
  double recent = 0.5;
  double sliding = 0.98;
  double sliding_decay = 1.1;
  double sinks = 4;
  double local = 0;
  double churn = 0.24;
  double collapse_every = 0;
  double collapse = 3;
  double layer_spread = 0.4;
  double layer_sharing = 1.35;
  double layer_sharing_spread = 0;
  double flat_layers = 0;
  double popular_share = popular_part;
  double request_correlation = 0;
};

/// A statistic as an option: its name, where it is, what it may be, and what it means.
struct StatisticDescription {
  std::string_view name;
  double PresetStatistics::*member;
  double least;
  double most;
  std::string_view description;
};
std::span<const StatisticDescription> statistic_descriptions() noexcept;

struct Preset {
  std::string_view name;
  std::string_view sentence;
  std::string_view fitted;    ///< the published figures that its numbers were chosen for
  std::string_view predicts;  ///< published figures that it was not given: docs/validation.md says how well
  std::string_view model;
  Shape shape;
  std::uint32_t unit_tokens;
  std::uint64_t entry_bytes;
  LayerInfo (*layer)(std::uint32_t index);  ///< of the layers that own an index
  PresetStatistics statistics;
  /// Of the same layers, where they share KV stores or differ in unit; null: a store for each layer of the model.
  StoreInfo (*store)(std::uint32_t index) = nullptr;
  bool selects_begun = false;
};
std::span<const Preset> presets() noexcept;

/// Throws ConfigError, naming the known ones, if there is none of that name.
const Preset& find_preset(std::string_view name);

/// The model of a preset with these statistics; `shape` replaces what it names of the preset's.
SelectionModel model_of(const Preset& preset, const PresetStatistics& statistics, const Shape& shape);

}  // namespace dsasim
