#include "dsasim/analysis/analysis.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

namespace dsasim {
namespace {

void check_range(std::string_view option, std::uint32_t found) {
  if (found < 1 || found > most_analysis_number) {
    throw ConfigError(option, "expected a number from 1 to {}, found {}", most_analysis_number, found);
  }
}

void check_list(std::string_view option, const std::vector<std::uint32_t>& list) {
  for (auto at = list.begin(); at != list.end(); ++at) {
    check_range(option, *at);
    if (std::find(list.begin(), at, *at) != at) {
      throw ConfigError(option, "expected different numbers, found {} twice", *at);
    }
  }
}

void use_trace_page(std::vector<std::uint32_t>& page_tokens, const TraceReader& trace) {
  for (std::uint32_t& tokens : page_tokens) {
    if (tokens == 0 && trace.header().page_tokens == 0) {
      throw ConfigError("`page_tokens`", "{} does not give its page size; expected a number of tokens", trace.name());
    }
    tokens = tokens == 0 ? trace.header().page_tokens : tokens;
  }
}

void fill_in(std::vector<std::uint32_t>& list, std::vector<std::uint32_t> otherwise) {
  if (list.empty()) {
    list = std::move(otherwise);
  }
}

void fill_in_all(AnalysisConfig& config) {
  fill_in(config.overlap_steps, {1, 2, 4, 8, 16, 32, 64});
  fill_in(config.union_steps, {2, 4, 8, 16, 32, 64});
  fill_in(config.block_tokens, {16, 32, 64, 128});
  config.sink_tokens = config.sink_tokens.value_or(4);
  config.recent_tokens = config.recent_tokens.value_or(128);
}

void check_steps(const TraceReader& trace, const StepRange& steps) {
  if (steps.first > steps.last || steps.last > trace.batch_steps()) {
    throw ConfigError("`steps`", "expected A:B with A <= B <= {} (the steps of {}), found {}:{}", trace.batch_steps(),
                      trace.name(), steps.first, steps.last);
  }
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max() - std::uint64_t{1};
  if (std::min(steps.last - steps.first, trace.longest_request_steps()) > most) {
    throw ConfigError("`steps`", "{} has requests of {} steps, at most {} can be analysed at once", trace.name(),
                      trace.longest_request_steps(), most);
  }
}

}  // namespace

AnalysisConfig effective_analysis(const TraceReader& trace, const AnalysisConfig& config) {
  AnalysisConfig effective = config;
  if (config.all) {
    fill_in_all(effective);
  }
  use_trace_page(effective.page_tokens, trace);
  effective.steps = config.steps.value_or(StepRange{.first = 0, .last = trace.batch_steps()});
  check_steps(trace, *effective.steps);
  check_list("`windows`", effective.windows);
  check_list("`page_tokens`", effective.page_tokens);
  check_list("`overlap_steps`", effective.overlap_steps);
  check_list("`union_steps`", effective.union_steps);
  check_list("`block_tokens`", effective.block_tokens);
  check_range("`sink_tokens`", effective.sink_tokens.value_or(1));
  check_range("`recent_tokens`", effective.recent_tokens.value_or(1));
  return effective;
}

}  // namespace dsasim
