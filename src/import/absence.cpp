#include "absence.hpp"

#include "dsasim/error.hpp"

#include <fmt/ranges.h>

#include <algorithm>

namespace dsasim {
namespace {

/// "0-2, 4": ascending numbers, those that follow each other together.
std::string ranges_text(std::span<const std::uint32_t> numbers) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) {
      ++end;
    }
    out.push_back(end - i == 1 ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[end - 1]));
    i = end;
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

bool has_ids(std::span<const std::int64_t> row) {
  return std::any_of(row.begin(), row.end(), [](std::int64_t id) { return id >= 0; });
}

}  // namespace

Absence::Absence(std::span<const Capture> captures)
    : captures_(captures),
      layers_are_said_(std::any_of(captures.begin(), captures.end(),
                                   [](const Capture& capture) { return capture.requests().front().says_owners; })),
      selects_(captures.front().requests().front().layers),
      has_ids_(selects_.size()),
      missing_(captures.back().first_request + captures.back().requests().size()) {}

void Absence::add(const Capture& capture, std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
  if (step.queries == 0) {
    return;  // a pause
  }
  const std::size_t top_k = capture.requests()[request].top_k;
  std::size_t with_ids = 0;
  for (std::size_t layer = 0; layer < selects_.size(); ++layer) {
    has_ids_[layer] = false;
    for (std::size_t query = 0; query < step.queries && !has_ids_[layer]; ++query) {
      has_ids_[layer] = has_ids(std::span(step.ids).subspan((query * selects_.size() + layer) * top_k, top_k));
    }
    with_ids += has_ids_[layer] ? 1U : 0U;
    selects_[layer] = selects_[layer] || has_ids_[layer];
  }
  if (with_ids == selects_.size()) {
    return;
  }
  Missing& missing = missing_[capture.first_request + request];
  if (with_ids == 0) {
    constexpr std::size_t most_ranges = 4;
    ++missing.steps;
    if (!missing.ranges.empty() && missing.ranges.back().last + 1 == step_number) {
      missing.ranges.back().last = step_number;
    } else if (missing.ranges.size() <= most_ranges) {  // one more than is shown
      missing.ranges.push_back({.first = step_number, .last = step_number});
    }
    return;
  }
  missing.selections += selects_.size() - with_ids;
  if (missing.first.empty()) {
    const auto layer = std::find(has_ids_.begin(), has_ids_.end(), false) - has_ids_.begin();
    missing.first = fmt::format("{}: step {}, layer {}", capture.place(request), step_number, layer);
  }
}

std::vector<std::uint32_t> Absence::selecting_layers() const {
  std::vector<std::uint32_t> out;
  for (std::uint32_t layer = 0; layer < selects_.size(); ++layer) {
    if (selects_[layer] || layers_are_said_) {
      out.push_back(layer);
    }
  }
  return out;
}

void Absence::require_selections() const {
  if (selecting_layers().empty()) {
    const bool one = captures_.size() == 1 && captures_.front().requests().size() == 1;
    throw TraceError(captures_.front().path.string(), "{}selects nothing: all ids of all {} layers are padding",
                     one ? "" : "none of the requests ", selects_.size());
  }
}

std::string Absence::steps_text(const Capture& capture, std::uint32_t request, const Missing& missing) const {
  const CaptureShape& shape = capture.requests()[request];
  std::vector<std::string> rows;
  std::vector<std::string> steps;
  constexpr std::size_t most_shown = 4;
  for (const Steps& range : std::span(missing.ranges).first(std::min(missing.ranges.size(), most_shown))) {
    const auto text = [&](std::uint64_t offset) {
      return range.first == range.last ? fmt::format("{}", range.first + offset)
                                       : fmt::format("{}-{}", range.first + offset, range.last + offset);
    };
    rows.push_back(text(shape.first_row));
    steps.push_back(text(0));
  }
  const char* const more = missing.ranges.size() > most_shown ? ", ..." : "";
  return fmt::format("rows {}{} (steps {}{})", fmt::join(rows, ", "), more, fmt::join(steps, ", "), more);
}

std::vector<std::string> Absence::warnings() const {
  constexpr std::size_t most_requests = 3;
  std::vector<std::string> out;
  std::uint64_t more = 0;
  std::uint64_t selections = 0;
  std::string first;
  for (const Capture& capture : captures_) {
    for (std::uint32_t request = 0; request < capture.requests().size(); ++request) {
      const Missing& missing = missing_[capture.first_request + request];
      if (missing.steps > 0 && out.size() < most_requests) {
        out.push_back(fmt::format("{}: {} of {} rows have no ids in any layer: {}; they count as no selections",
                                  capture.place(request), missing.steps, capture.requests()[request].steps,
                                  steps_text(capture, request, missing)));
      } else if (missing.steps > 0) {
        ++more;
      }
      first = first.empty() ? missing.first : first;
      selections += missing.selections;
    }
  }
  if (more > 0) {
    out.push_back(fmt::format("{} more requests have rows without ids", more));
  }
  if (selections > 0) {
    out.push_back(
        fmt::format("{} selections have no ids in steps in which other layers select (the first: {}); they "
                    "count as no selections",
                    selections, first));
  }
  return out;
}

std::string left_out_layers(std::span<const Capture> captures, std::span<const std::uint32_t> kept,
                            const LayerMap* layers) {
  const CaptureShape& shape = captures.front().requests().front();
  const auto number = [&](std::uint32_t layer) {
    return shape.layer_infos.empty() ? layer : shape.layer_infos[layer].model_layer;
  };
  std::vector<std::uint32_t> silent;
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    if (!std::binary_search(kept.begin(), kept.end(), layer)) {
      silent.push_back(number(layer));
    }
  }
  silent.erase(std::unique(silent.begin(), silent.end()), silent.end());  // heads of one layer
  // What would have said so: the map in use, or each layer with an index of its own, without those layers.
  const std::uint32_t heads = layers == nullptr ? 1 : layers->heads;
  std::vector<std::int64_t> owners(layers == nullptr ? number(shape.layers - 1) + 1 : layers->owner_of.size() / heads);
  for (std::uint32_t layer = 0; layer < owners.size(); ++layer) {
    auto owner = layers == nullptr ? std::optional(layer) : layers->owner_of[std::size_t{layer} * heads];
    if (owner) {
      *owner /= heads;
    }
    owners[layer] = !owner || std::binary_search(silent.begin(), silent.end(), *owner) ? -1 : std::int64_t{*owner};
  }
  return fmt::format("{} of {} layers never select and are left out: {}; `layer_map`={} says so", silent.size(),
                     shape.layers, ranges_text(silent), fmt::join(owners, ","));
}

}  // namespace dsasim
