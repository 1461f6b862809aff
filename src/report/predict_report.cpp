#include "dsasim/report/predict_report.hpp"

#include "config/json_text.hpp"
#include "dsasim/version.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

Json share_json(std::uint64_t held, std::uint64_t entries) {
  return entries == 0 ? Json(nullptr) : Json(static_cast<double>(held) / static_cast<double>(entries));
}

/// Adds a row for each predictor and guess of a table; `first` is what its rows begin with.
void add_rows(Json& rows, const PredictResult& result, const GuessTable& table, const Json& first,
              const std::vector<std::uint64_t>& guess_entries) {
  for (std::size_t predictor = 0; predictor < table.size(); ++predictor) {
    for (std::size_t guess = 0; guess < table[predictor].size(); ++guess) {
      const GuessCounts& counts = table[predictor][guess];
      Json row = first;
      row["predictor"] = result.predictors[predictor];
      row["guess"] = result.guesses[guess].text();
      if (!guess_entries.empty()) {
        row["guess_entries"] = guess_entries[guess];
      }
      row["selections"] = counts.selections;
      row["entries"] = counts.entries;
      row["guessed"] = counts.guessed;
      row["held"] = counts.held;
      row["share"] = share_json(counts.held, counts.entries);
      row["new_entries"] = counts.new_entries;
      row["new_held"] = counts.new_held;
      row["new_share"] = share_json(counts.new_held, counts.new_entries);
      rows.push_back(std::move(row));
    }
  }
}

/// Rows are predictors, columns guesses.
template <class CellText>
void append_table(std::string& out, const PredictResult& result, const CellText& text) {
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{:<16}", "");
  for (const Capacity& guess : result.guesses) {
    fmt::format_to(line, " {:>9}", guess.text());
  }
  for (std::size_t predictor = 0; predictor < result.predictors.size(); ++predictor) {
    fmt::format_to(line, "\n{:<16}", result.predictors[predictor]);
    for (const GuessCounts& counts : result.together[predictor]) {
      fmt::format_to(line, " {:>9}", text(counts));
    }
  }
  out += "\n";
}

/// The largest guess that is no longer than a selection, or the first.
std::size_t guess_of_layers(const PredictResult& result) {
  const auto& together = result.together.front();
  std::size_t chosen = 0;
  for (std::size_t guess = 0; guess < together.size(); ++guess) {
    const bool fits = together[guess].guessed <= together[guess].entries;
    chosen = fits && together[guess].guessed > together[chosen].guessed ? guess : chosen;
  }
  return chosen;
}

void append_layers(std::string& out, const PredictResult& result) {
  auto line = std::back_inserter(out);
  const std::size_t guess = guess_of_layers(result);
  fmt::format_to(line, "\nby layer, guesses of {}\n\nlayer", result.guesses[guess].text());
  for (const std::string& predictor : result.predictors) {
    fmt::format_to(line, " {:>13}", predictor);
  }
  const auto& layers = result.traces.front().layers;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    fmt::format_to(line, "\n{:>5}", layer);
    for (const auto& counts : layers[layer]) {
      fmt::format_to(line, " {:>13}", ratio_text(counts[guess].held, counts[guess].entries));
    }
  }
  out += "\n";
}

}  // namespace

std::string predict_json(const PredictResult& result) {
  Json out;
  out["schema"] = predict_schema;
  out["tool"] = {{"version", version()}};
  out["config"]["predictors"] = result.predictors;
  out["config"]["guesses"] = Json::array();
  for (const Capacity& guess : result.guesses) {
    out["config"]["guesses"].push_back(guess.text());
  }
  out["config"]["steps"] = result.steps ? Json{result.steps->first, result.steps->last} : Json(nullptr);
  out["rows"] = Json::array();
  for (const TracePrediction& trace : result.traces) {
    add_rows(out["rows"], result, trace.pooled, {{"trace", trace.trace}}, trace.guess_entries);
  }
  if (result.traces.size() > 1) {
    out["together"] = Json::array();
    add_rows(out["together"], result, result.together, Json::object(), {});
  }
  out["layers"] = Json::array();
  for (const TracePrediction& trace : result.traces) {
    for (std::size_t layer = 0; layer < trace.layers.size(); ++layer) {
      add_rows(out["layers"], result, trace.layers[layer], {{"trace", trace.trace}, {"layer", layer}},
               trace.guess_entries);
    }
  }
  return json_text(out);
}

std::string predict_table(const PredictResult& result) {
  std::vector<std::string> names;
  names.reserve(result.traces.size());
  for (const TracePrediction& trace : result.traces) {
    names.push_back(trace.trace);
  }
  std::string out = fmt::format("{}\nshare of the next selection that a guess holds; 1x is the longest selection\n\n",
                                traces_text(names, "entries"));
  append_table(out, result, [](const GuessCounts& counts) { return ratio_text(counts.held, counts.entries); });
  out += "\nof its entries that the selection before did not have\n\n";
  append_table(out, result, [](const GuessCounts& counts) { return ratio_text(counts.new_held, counts.new_entries); });
  if (result.traces.size() == 1) {
    append_layers(out, result);
  }
  return out;
}

}  // namespace dsasim
