#include "differential/random_case.hpp"

#include "cache/replay_log.hpp"
#include "dsasim/curve/curve.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

namespace dsasim::test {
namespace {

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : bits_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return bits_() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  template <class Choices>
  auto of(const Choices& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::mt19937_64 bits_;
};

PlainCapacity entries(std::uint64_t count) {
  return {.text = std::to_string(count), .unit = Capacity::Unit::entries, .numerator = count, .denominator = 1};
}

/// From nothing to beyond all ids there are, in every unit.
PlainCapacity random_capacity(Draws& draws) {
  const std::uint64_t hundredths = draws.below(draws.one_in(3) ? 2000 : 300);
  const auto decimal = [&] { return fmt::format("{}.{:02}", hundredths / 100, hundredths % 100); };
  switch (draws.below(9)) {
    case 0:
      return entries(0);
    case 1:
    case 2:
      return entries(1 + draws.below(12));
    case 3:
      return entries(1 + draws.below(200));
    case 4:
    case 5:
      return {decimal() + "x", Capacity::Unit::longest_selection, hundredths, 100};
    case 6:
      return {decimal() + "ctx", Capacity::Unit::context, hundredths, 100};
    case 7:
      return {decimal() + "kB", Capacity::Unit::bytes, hundredths * 1000, 100};
    default:
      return entries(draws.of(std::array{std::uint64_t{123'456'789}, std::uint64_t{1} << 33U}));
  }
}

void draw_steps(const PlainTrace& trace, Draws& draws, ReplayConfig& config) {
  std::uint64_t replayed = batch_steps(trace);
  if (draws.one_in(2)) {
    const std::uint64_t first = draws.below(replayed + 1);
    replayed = draws.below(replayed - first + 1);
    config.steps = StepRange{.first = first, .last = first + replayed};
  }
  if (draws.one_in(2)) {
    config.warmup_steps = draws.below(replayed + 1);
  }
}

ReplayConfig random_config(const PlainTrace& trace, Draws& draws) {
  ReplayConfig config;
  config.policy = draws.one_in(5) ? parse_policy("lru") : draws.of(all_variants());  // it has most ways to be replayed
  config.scope = policy_needs(config.policy).one_stream ? Scope::stream : draws.of(scope_names).second;
  config.order = draws.of(order_names).second;
  if (trace.header.ids == IdKind::logical) {
    config.warm = draws.one_in(2) ? Warm::none : draws.of(warm_names).second;
    config.new_token =
        trace.header.has_queries && !draws.one_in(8) ? NewToken::demand : draws.of(new_token_names).second;
    if (config.new_token == NewToken::demand && draws.one_in(4)) {
      config.resident_blocks = 1 + static_cast<std::uint32_t>(draws.below(3));
    }
    if (draws.one_in(config.new_token == NewToken::demand ? 4 : 32)) {
      config.pins.sink_entries = static_cast<std::uint32_t>(draws.below(5));
      config.pins.recent_entries = config.resident_blocks == 0 ? static_cast<std::uint32_t>(draws.below(6)) : 0;
    }
  }
  const bool is_simple = !trace.header.has_queries && !trace.header.shares_stores();
  if (draws.one_in(is_simple ? 4 : 64)) {
    constexpr std::array predictors = {"previous", "ema",          "vertical", "neighbours",
                                       "slash",    "layer-before", "history",  "history+layer"};
    config.prefetch = {.predictor = draws.of(predictors),
                       .rows = 1 + static_cast<std::uint32_t>(draws.below(9)),
                       .into = draws.of(prefetch_into_names).second};
  }
  if (!draws.one_in(3)) {
    config.page_tokens = draws.of(std::array{1U, 3U, 16U, 64U});
  } else if (draws.one_in(2) && trace.header.page_tokens != 0) {
    config.page_tokens = 0;
  }
  if (trace.header.entry_bytes == 0 || draws.one_in(2)) {
    config.entry_bytes = draws.of(std::array{48U, 100U});
  }
  draw_steps(trace, draws, config);
  config.memory.miss_ns = draws.of(std::array{200.0, 0.5, 33.25, 0.0});
  if (draws.one_in(6) && (!trace.header.shares_stores() || draws.one_in(8)) &&
      (config.scope == Scope::layer || config.scope == Scope::stream)) {
    const bool by_stream = config.scope == Scope::stream && draws.one_in(2);
    const std::size_t parts = trace.header.layers.size() * (by_stream ? trace.requests.size() : 1);
    const std::uint64_t most = 1 + 4 * longest_selection(trace);
    for (std::size_t part = 0; part < parts; ++part) {
      config.capacity_list.push_back(draws.below(most));
    }
  }
  return config;
}

/// In any cache.
std::uint64_t most_pinned(const PlainTrace& trace, const ReplayConfig& config) {
  std::uint64_t pinned = 0;
  for (std::uint32_t layer = 0; layer < trace.header.layers.size(); ++layer) {
    pinned = std::max(pinned, ReferenceReplay(trace, config, {}).pinned_entries(layer));
  }
  return pinned;
}

BudgetDraw random_budget(const RandomCase& drawn, Draws& draws) {
  BudgetDraw budget;
  const std::uint64_t longest = longest_selection(drawn.trace);
  const std::uint64_t layers = drawn.trace.header.layers.size();
  const std::uint64_t caches = layers * (drawn.config.scope == Scope::stream ? drawn.trace.requests.size() : 1);
  budget.granularity = 1 + draws.below(5);
  budget.least =
      policy_needs(drawn.config.policy).whole_selection ? longest + draws.below(3) : draws.below(longest + 2);
  budget.most = budget.least + draws.below(10 * budget.granularity);
  budget.amount = caches * (budget.least + budget.granularity) + draws.below(caches * 6 * budget.granularity + 1);
  budget.in_bytes = draws.one_in(3);
  budget.amount *= budget.in_bytes ? drawn.config.entry_bytes.value_or(drawn.trace.header.entry_bytes) : 1;
  const bool streams_fit = is_stack(drawn.trace.header, drawn.config) && drawn.config.scope == Scope::stream;
  const bool by_stream = streams_fit ? !draws.one_in(4) : draws.one_in(8);  // where they do not fit: refused
  budget.over = by_stream ? Over::streams : Over::layers;
  budget.minimise = draws.one_in(3) ? Minimise::gather_ns : Minimise::misses;
  return budget;
}

/// After all else, so that the other cases stay what they were.
void draw_granularity(RandomCase& drawn, Draws& draws) {
  if (!draws.one_in(4)) {
    return;
  }
  ReplayConfig& config = drawn.config;
  const bool has_parts = drawn.trace.header.unit_tokens > 1 || drawn.trace.header.mixes_units();
  config.granularity.tokens = draws.one_in(has_parts ? 2 : 16);
  if (config.granularity.tokens) {
    if (!draws.one_in(8)) {
      config.entry_bytes = 48;  // most units are a divisor of
    }
  } else {
    config.granularity.block_entries = draws.of(std::array{2U, 3U, 4U, 16U, 64U});
  }
  if (!draws.one_in(8)) {  // most would be refused
    config.pins = {};
    config.prefetch = {};
    const PolicyNeeds needs = policy_needs(config.policy);
    config.policy = needs.scores || needs.one_stream ? parse_policy("hisparse") : config.policy;
  }
  const std::uint64_t block = config.granularity.block_entries;
  const bool keeps_selection = policy_needs(config.policy).whole_selection;
  for (PlainCapacity& capacity : drawn.capacities) {
    if (keeps_selection && !draws.one_in(4)) {
      capacity = entries(block * (longest_union(drawn.trace, config.granularity.block_entries) + draws.below(10)));
    } else if (capacity.unit == Capacity::Unit::entries && draws.one_in(2)) {
      capacity = entries(capacity.numerator * block);
    }
  }
}

// ---- Smaller cases ----

/// Makes what names steps, layers or requests fit the trace again.
void fit(RandomCase& drawn) {
  const std::uint64_t steps = batch_steps(drawn.trace);
  ReplayConfig& config = drawn.config;
  if (config.steps) {
    config.steps->last = std::min(config.steps->last, steps);
    config.steps->first = std::min(config.steps->first, config.steps->last);
  }
  const std::uint64_t replayed = config.steps ? config.steps->last - config.steps->first : steps;
  config.warmup_steps = std::min(config.warmup_steps, replayed);
}

class Simpler {
 public:
  explicit Simpler(const RandomCase& from) : from_(from) {}

  std::vector<RandomCase> all() {
    leave_out_parts();
    set_defaults();
    shorten_requests();
    shorten_selections();
    return std::move(cases_);
  }

 private:
  template <class Change>
  void add(Change change) {
    RandomCase changed = from_;
    change(changed);
    fit(changed);
    cases_.push_back(std::move(changed));
  }

  void leave_out_parts() {
    const bool listed = !from_.config.capacity_list.empty();
    for (std::size_t request = 0; from_.trace.requests.size() > 1 && !listed && request < from_.trace.requests.size();
         ++request) {
      add([&](RandomCase& drawn) {
        drawn.trace.requests.erase(drawn.trace.requests.begin() + static_cast<std::ptrdiff_t>(request));
        auto& infos = drawn.trace.header.requests;
        infos.erase(infos.begin() + static_cast<std::ptrdiff_t>(request));
        if (drawn.trace.header.has_queries) {
          drawn.trace.queries.erase(drawn.trace.queries.begin() + static_cast<std::ptrdiff_t>(request));
        }
      });
    }
    for (std::size_t layer = 0; from_.trace.header.layers.size() > 1 && !listed && from_.trace.header.stores.empty() &&
                                layer < from_.trace.header.layers.size();
         ++layer) {
      add([&](RandomCase& drawn) {
        const auto at = static_cast<std::ptrdiff_t>(layer);
        drawn.trace.header.layers.erase(drawn.trace.header.layers.begin() + at);
        for (PlainRequest& request : drawn.trace.requests) {
          for (PlainStep& step : request) {
            const auto layers = static_cast<std::ptrdiff_t>(drawn.trace.header.layers.size() + 1);
            for (auto row = static_cast<std::ptrdiff_t>(step.size()) - layers + at; row >= 0; row -= layers) {
              step.erase(step.begin() + row);
            }
          }
        }
      });
    }
    for (std::size_t i = 1; i < from_.capacities.size(); ++i) {
      add([&](RandomCase& drawn) {
        drawn.capacities.erase(drawn.capacities.begin() + static_cast<std::ptrdiff_t>(i));
      });
    }
    for (std::size_t i = 0; i < from_.policies.size(); ++i) {
      add([&](RandomCase& drawn) { drawn.policies.erase(drawn.policies.begin() + static_cast<std::ptrdiff_t>(i)); });
    }
  }

  void set_defaults() {
    const ReplayConfig plain;
    const ReplayConfig& config = from_.config;
    const auto set = [&](bool differs, auto change) {
      if (differs) {
        add(change);
      }
    };
    set(from_.jobs != 1, [](RandomCase& c) { c.jobs = 1; });
    set(from_.chunk_steps != 1024, [](RandomCase& c) { c.chunk_steps = 1024; });
    set(config.order != plain.order, [&](RandomCase& c) { c.config.order = plain.order; });
    set(config.warm != plain.warm, [&](RandomCase& c) { c.config.warm = plain.warm; });
    set(config.new_token != plain.new_token, [&](RandomCase& c) { c.config.new_token = plain.new_token; });
    set(config.resident_blocks != 0, [](RandomCase& c) { c.config.resident_blocks = 0; });
    set(config.prefetch.any(), [](RandomCase& c) { c.config.prefetch = {}; });
    set(!config.granularity.is_entry(), [](RandomCase& c) { c.config.granularity = {}; });
    set(config.granularity.block_entries > 2, [](RandomCase& c) { c.config.granularity.block_entries = 2; });
    set(config.pins.sink_entries != 0, [](RandomCase& c) { c.config.pins.sink_entries = 0; });
    set(config.pins.recent_entries != 0, [](RandomCase& c) { c.config.pins.recent_entries = 0; });
    set(config.steps.has_value(), [](RandomCase& c) { c.config.steps.reset(); });
    set(config.warmup_steps != 0, [](RandomCase& c) { c.config.warmup_steps = 0; });
    set(config.page_tokens.has_value(), [](RandomCase& c) { c.config.page_tokens.reset(); });
    set(from_.trace.header.has_scores, [](RandomCase& c) { c.trace.header.has_scores = false; });
    set(std::any_of(from_.trace.header.layers.begin(), from_.trace.header.layers.end(),
                    [](const LayerInfo& layer) { return layer.group_size != 1; }),
        [](RandomCase& c) {
          for (LayerInfo& layer : c.trace.header.layers) {
            layer.group_size = 1;
          }
        });
  }

  void shorten_requests() {
    for (std::size_t request = 0; request < from_.trace.requests.size(); ++request) {
      const std::size_t steps = from_.trace.requests[request].size();
      for (const std::size_t kept : {steps / 2, steps - std::min<std::size_t>(steps, 1)}) {
        if (kept < steps) {
          add([&](RandomCase& drawn) {
            drawn.trace.requests[request].resize(kept);
            if (drawn.trace.header.has_queries) {
              drawn.trace.queries[request].resize(kept);
            }
          });
          add([&](RandomCase& drawn) {  // from the front: the prompt takes them in
            RequestInfo& info = drawn.trace.header.requests[request];
            info.prompt_tokens = tokens_before(drawn.trace, request, steps - kept);
            info.start_step += static_cast<std::uint32_t>(steps - kept);
            auto& written = drawn.trace.requests[request];
            written.erase(written.begin(), written.end() - static_cast<std::ptrdiff_t>(kept));
            if (drawn.trace.header.has_queries) {
              auto& queries = drawn.trace.queries[request];
              queries.erase(queries.begin(), queries.end() - static_cast<std::ptrdiff_t>(kept));
            }
          });
        }
      }
      if (const std::uint32_t start = from_.trace.header.requests[request].start_step; start > 0) {
        for (const std::uint32_t less : {std::uint32_t{0}, start / 2, start - 1}) {
          add([&](RandomCase& drawn) { drawn.trace.header.requests[request].start_step = less; });
        }
      }
    }
  }

  void shorten_selections() {
    for (std::size_t request = 0; request < from_.trace.requests.size(); ++request) {
      for (std::size_t step = 0; step < from_.trace.requests[request].size(); ++step) {
        for (std::size_t layer = 0; layer < from_.trace.requests[request][step].size(); ++layer) {
          const auto ids = static_cast<std::ptrdiff_t>(from_.trace.requests[request][step][layer].size());
          const auto drop = [&](std::ptrdiff_t first, std::ptrdiff_t count) {
            add([&](RandomCase& drawn) {
              PlainSelection& selection = drawn.trace.requests[request][step][layer];
              selection.erase(selection.begin() + first, selection.begin() + first + count);
            });
          };
          if (ids > 1) {
            drop(0, ids);
          }
          for (std::ptrdiff_t i = 0; i < ids; ++i) {
            drop(i, 1);
          }
        }
      }
    }
  }

  const RandomCase& from_;
  std::vector<RandomCase> cases_;
};

// ---- Commands ----

template <class Names, class Choice>
std::string option(std::string_view name, const Names& names, Choice chosen) {
  const auto* const found =
      std::find_if(names.begin(), names.end(), [&](const auto& known) { return known.second == chosen; });
  return fmt::format(" {} {}", name, found->first);
}

/// The options that all three commands have.
std::string common_options(const RandomCase& drawn) {
  const ReplayConfig& config = drawn.config;
  std::string text = fmt::format(" --policy {}", to_string(config.policy));
  text += option("--scope", scope_names, config.scope) + option("--order", order_names, config.order) +
          option("--warm", warm_names, config.warm) + option("--new-token", new_token_names, config.new_token);
  text += config.resident_blocks > 0 ? fmt::format(" --resident-blocks {}", config.resident_blocks) : "";
  text += config.pins.any() ? fmt::format(" --pin {}", to_string(config.pins)) : "";
  text += config.prefetch.any() ? fmt::format(" --prefetch {}", to_string(config.prefetch)) : "";
  text += config.granularity.is_entry() ? "" : fmt::format(" --granularity {}", to_string(config.granularity));
  text += config.entry_bytes ? fmt::format(" --entry-bytes {}", *config.entry_bytes) : "";
  text += config.steps ? fmt::format(" --steps {}:{}", config.steps->first, config.steps->last) : "";
  return text + fmt::format(" --warmup-steps {} --jobs {}", config.warmup_steps, drawn.jobs);
}

std::string page_and_memory_options(const ReplayConfig& config) {
  std::string text = fmt::format(" --miss-ns {}", config.memory.serial_miss_ns());
  if (config.page_tokens) {
    text += *config.page_tokens == 0 ? " --page-tokens trace" : fmt::format(" --page-tokens {}", *config.page_tokens);
  }
  return text;
}

}  // namespace

RandomCase random_case(std::uint64_t seed) {
  Draws draws(seed);
  RandomCase drawn;
  drawn.seed = seed;
  drawn.trace = random_batch(draws.below(~std::uint64_t{0}));
  drawn.chunk_steps = draws.of(std::array{1U, 2U, 3U, 7U, 40U, 1024U});
  drawn.config = random_config(drawn.trace, draws);
  const std::size_t capacities = 2 + draws.below(4);
  while (drawn.capacities.size() < capacities) {
    drawn.capacities.push_back(random_capacity(draws));
  }
  if (policy_needs(drawn.config.policy).whole_selection && !draws.one_in(4)) {  // most would be refused
    for (std::size_t i = 0; i < capacities; ++i) {
      drawn.capacities[i] = entries(longest_union(drawn.trace) + draws.below(i == 0 ? 10 : 200));
    }
  }
  if (drawn.config.pins.any() && !draws.one_in(4)) {  // likewise
    const std::uint64_t pinned = most_pinned(drawn.trace, drawn.config);
    for (PlainCapacity& capacity : drawn.capacities) {
      if (capacity.unit == Capacity::Unit::entries && capacity.numerator > 0) {
        capacity = entries(capacity.numerator + pinned);
      }
    }
  }
  for (std::uint64_t more = draws.below(4); more > 0; --more) {
    drawn.policies.push_back(draws.of(all_variants()));
  }
  drawn.budget = random_budget(drawn, draws);
  drawn.jobs = static_cast<std::uint32_t>(1 + draws.below(4));
  draw_granularity(drawn, draws);
  return drawn;
}

std::vector<RandomCase> simpler(const RandomCase& from) {
  return Simpler(from).all();
}

std::string replay_command(const RandomCase& drawn, const std::filesystem::path& path) {
  const std::string capacity = drawn.config.capacity_list.empty()
                                   ? fmt::format(" --capacity {}", drawn.capacities.front().text)
                                   : fmt::format(" --capacities-from <(echo '{{\"capacity_entries\":[{}]}}')",
                                                 fmt::join(drawn.config.capacity_list, ","));
  return fmt::format("dsasim replay {}{}{}{}", path.string(), capacity, common_options(drawn),
                     page_and_memory_options(drawn.config));
}

std::string curve_command(const RandomCase& drawn, const std::filesystem::path& path) {
  std::vector<std::string> texts;
  for (const PlainCapacity& capacity : drawn.capacities) {
    texts.push_back(capacity.text);
  }
  return fmt::format("dsasim curve {} --capacities {}{}", path.string(), fmt::join(texts, ","), common_options(drawn));
}

std::string allocate_command(const RandomCase& drawn, const std::filesystem::path& path) {
  const BudgetDraw& budget = drawn.budget;
  return fmt::format("dsasim allocate {} --budget {}{} --min {} --max {} --granularity {}{}{}{}{}", path.string(),
                     budget.amount, budget.in_bytes ? "B" : "", budget.least, budget.most, budget.granularity,
                     option("--over", over_names, budget.over), option("--minimise", minimise_names, budget.minimise),
                     common_options(drawn),
                     budget.minimise == Minimise::gather_ns ? page_and_memory_options(drawn.config) : "");
}

std::string trace_text(const PlainTrace& trace) {
  const TraceHeader& header = trace.header;
  std::string text = fmt::format("{} ids, {} tokens each, pages of {}, entries of {} B, groups of",
                                 header.ids == IdKind::logical ? "logical" : "physical", header.unit_tokens,
                                 header.page_tokens, header.entry_bytes);
  for (const LayerInfo& layer : header.layers) {
    text += fmt::format(" {}", layer.group_size);
  }
  for (const StoreInfo& store : header.stores) {
    text += fmt::format("\na layer reads the store of layer {}: {} rows of {} B, {} tokens an entry", store.kv_owner,
                        store.kv_rows, store.entry_bytes, store.unit_tokens);
  }
  for (std::size_t request = 0; request < trace.requests.size(); ++request) {
    const RequestInfo& info = header.requests[request];
    text += fmt::format("\nrequest {}: a prompt of {} tokens, starts at step {}; selections by step:", request,
                        info.prompt_tokens, info.start_step);
    for (std::size_t step = 0; step < trace.requests[request].size(); ++step) {
      const PlainQueries queries = trace.queries_of(request, step);
      text += fmt::format("\n  {}: {} of {} queries accepted: {}", info.start_step + step, queries.accepted,
                          queries.queries, trace.requests[request][step]);
    }
  }
  return text;
}

}  // namespace dsasim::test
