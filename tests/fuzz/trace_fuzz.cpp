// Opens any bytes as a trace that may be cut off, and gives it to all that reads traces. Only an Error may come of it;
// what one reader takes all take, and they count the same.
//
// No random change survives the checksums, and hardly one survives zstd, so the mutator knows the layout: it changes
// fields, tables and streams, or writes a whole other trace, and makes sizes and checksums right again.

#include "dsasim/analysis/analysis.hpp"
#include "dsasim/curve/curve.hpp"
#include "dsasim/error.hpp"
#include "dsasim/export/export.hpp"
#include "dsasim/replay/replay.hpp"
#include "fuzz/fuzzing.hpp"
#include "fuzz/trace_mutator.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace dsasim;

/// What came of a reader: a number, or that the trace is damaged; nothing if it was too large for the limits here.
struct Outcome {
  bool damaged = false;
  std::optional<std::uint64_t> count;
};

template <class Read>
Outcome outcome_of(Read read) {
  try {
    return {.damaged = false, .count = read()};
  } catch (const TraceError&) {
    return {.damaged = true, .count = std::nullopt};
  } catch (const Error&) {
    return {};  // the configuration does not fit, or the machine is too small
  }
}

/// Whatever is read by steps of the batch must not take long: a start step can be anything.
bool is_small(const TraceReader& trace) {
  std::uint64_t ids = 0;
  std::uint64_t steps = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    ids += trace.extent(request).id_limit + trace.extent(request).accepted +
           trace.header().requests[request].prompt_tokens / trace.header().least_unit();
    steps += trace.extent(request).steps + trace.extent(request).queries;
  }
  return trace.layer_count() <= 64 && trace.request_count() <= 64 && steps <= 8192 &&
         ids * trace.layer_count() <= 1U << 20U;
}

/// Selection by selection, in order.
std::uint64_t walk(const TraceReader& trace) {
  std::uint64_t ids = 0;
  for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
    RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
    std::uint64_t steps = 0;
    for (; cursor.next(); ++steps) {
      for (std::uint32_t query = 0; query < cursor.queries().queries; ++query) {
        for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
          ids += cursor.selection_of(query, layer).size;
        }
      }
    }
    require(steps == trace.extent(request).steps);
  }
  return ids;
}

/// All of them, and those that can replace by selection so as well.
const std::vector<std::string>& policies() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> specs;
    for (const PolicyDescription& policy : policy_descriptions()) {
      specs.emplace_back(policy.name);
      if (std::ranges::find(policy.parameters, "atomic", &PolicyParameter::key) != policy.parameters.end()) {
        specs.push_back(std::string(policy.name) + ",atomic=step");
      }
    }
    return specs;
  }();
  return all;
}
constexpr std::array capacities = {"1x", "0", "1", "3x", "0.5ctx", "1000000000"};

ReplayConfig config_from(std::uint64_t choice) {
  const auto of = [&choice](const auto& choices) {
    const auto& chosen = choices[choice % choices.size()];
    choice /= choices.size();
    return chosen;
  };
  ReplayConfig config;
  config.policy = parse_policy(of(policies()));
  config.capacity = Capacity::parse(of(capacities));
  config.scope = of(scope_names).second;
  config.warm = of(warm_names).second;
  config.new_token = of(new_token_names).second;
  config.order = of(order_names).second;
  return config;
}

std::string exported(const TraceReader& trace, std::string_view format) {
  std::string all;
  export_trace(trace, format, {}, [&all](std::string_view bytes) { all += bytes; });
  return all;
}

/// What is read by all: the readers have to agree with the plain walk.
void read_by_all(const TraceReader& trace, const Outcome& walked, std::uint64_t choice) {
  const auto agree = [&](const Outcome& found) {
    require(found.damaged ? walked.damaged : !found.count || (!walked.damaged && found.count == walked.count));
  };
  ReplayConfig config = config_from(choice);
  std::optional<std::uint64_t> misses;
  agree(outcome_of([&] {
    const Counters totals = replay(trace, config).totals;
    require(totals.hits <= totals.accesses && totals.compulsory_misses <= totals.misses());
    misses = totals.misses();
    return totals.accesses;
  }));
  agree(outcome_of([&] {
    const CurveResult found = curve(trace, {.replay = config, .capacities = {config.capacity}});
    require(!misses || found.total.points[0].misses == *misses);
    return found.total.accesses;
  }));
  if (choice % 8 == 0) {  // slower, and of fewer branches
    const Outcome analysed = outcome_of([&] {
      AnalysisConfig all;
      all.all = true;
      return analyze(trace, all).pooled.size();
    });
    require(analysed.damaged == walked.damaged || (!analysed.damaged && !analysed.count));
    agree(outcome_of([&] { return exported(trace, "oracle-general").size() / 24; }));
    const Outcome lines = outcome_of([&] {
      const std::string csv = exported(trace, "csv");
      return static_cast<std::uint64_t>(std::count(csv.begin(), csv.end(), '\n'));
    });
    // Slots of rejected queries are refused, so there may be no count.
    require(lines.damaged ? walked.damaged : !lines.count || (!walked.damaged && *lines.count > *walked.count));
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned int seed) {
  return traces::mutate(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const TraceReader trace(path_of(data, size), {.allow_truncated = true});
    require(trace.busy_steps({.first = 0, .last = trace.batch_steps()}) <= trace.batch_steps());
    require(trace.longest_request_steps() <= trace.batch_steps());
    const Outcome walked = outcome_of([&] { return walk(trace); });
    require(!walked.count || *walked.count == trace.accesses());
    const std::uint64_t choice = XXH3_64bits(data, size);
    if (!trace.truncated() && choice % 4 == 0) {
      const Outcome verified = outcome_of([&] { return trace.verify(), 0; });
      require(verified.damaged || !walked.damaged);  // it also compares the digest
    }
    if (is_small(trace) && (walked.damaged || walked.count)) {
      read_by_all(trace, walked, choice / 4);
    }
  } catch (const TraceError&) {
    return 0;
  }
  return 0;
}
