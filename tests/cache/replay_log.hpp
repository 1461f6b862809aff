#pragma once

// Small logs of selections and inserts for the cache tests, their future, and every policy variant to run them with.

#include "dsasim/cache/cache.hpp"
#include "dsasim/cache/policy_spec.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim::test {

/// One select(), or one insert() or forget() (of the only id).
struct Event {
  bool is_insert = false;
  bool is_forget = false;
  std::uint32_t base = 0;
  std::vector<EntryId> ids;
  std::vector<std::uint16_t> scores = {};  ///< of the ids, or none

  bool is_access() const { return !is_insert && !is_forget; }
};

struct ReplayLog {
  std::uint32_t directory_entries = 0;
  std::uint32_t context = 0;  ///< ids of each stream
  std::uint32_t longest = 0;  ///< selection
  std::vector<Event> events;
};

struct LogShape {
  std::uint32_t streams = 1;
  std::uint32_t context = 64;
  std::uint32_t longest = 8;  ///< selection; the shortest is empty
  std::uint32_t events = 300;
  bool inserts = false;
  bool forgets = false;
};

/// Selections of distinct ids, half of them from a part of the context that drifts, so that there is reuse.
inline ReplayLog random_log(const LogShape& shape, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  const auto draw = [&bits](std::uint32_t bound) { return static_cast<std::uint32_t>(bits() % bound); };
  ReplayLog log{.directory_entries = shape.streams * shape.context,
                .context = shape.context,
                .longest = shape.longest,
                .events = {}};
  for (std::uint32_t number = 0; number < shape.events; ++number) {
    Event event{.is_insert = shape.inserts && draw(4) == 0, .base = draw(shape.streams) * shape.context, .ids = {}};
    event.is_forget = shape.forgets && !event.is_insert && draw(3) == 0;
    const std::uint32_t wanted = event.is_access() ? draw(shape.longest + 1) : 1;
    const std::uint32_t drift = number * shape.context / shape.events;
    while (event.ids.size() < wanted) {
      const std::uint32_t near = (drift + draw(shape.longest + 1)) % shape.context;
      const EntryId entry{draw(2) == 0 ? near : draw(shape.context)};
      if (std::ranges::find(event.ids, entry) == event.ids.end()) {
        event.ids.push_back(entry);
      }
    }
    for (std::uint32_t i = 0; i < wanted; ++i) {
      event.scores.push_back(static_cast<std::uint16_t>(draw(0x10000)));  // of all kinds
    }
    log.events.push_back(std::move(event));
  }
  return log;
}

/// Where an event's selection comes from: its step is its number, and the query comes after all ids.
inline SelectionOrigin origin_of(const ReplayLog& log, std::size_t number) {
  return {.base = log.events[number].base, .step = number, .query = log.context, .scores = log.events[number].scores};
}

/// For each event, what foresee() has to be told before it.
inline std::vector<std::vector<NextUse>> future_of(const ReplayLog& log) {
  std::vector<std::vector<NextUse>> future(log.events.size());
  std::map<std::uint32_t, std::uint32_t> next_access;  // by key
  std::uint32_t now = 0;
  for (const Event& event : log.events) {
    now += event.is_access() ? static_cast<std::uint32_t>(event.ids.size()) : 0;
  }
  for (std::size_t number = log.events.size(); number-- > 0;) {
    const Event& event = log.events[number];
    future[number].resize(event.ids.size());
    for (std::size_t i = event.ids.size(); i-- > 0;) {
      const std::uint32_t key = event.base + value(event.ids[i]);
      now -= event.is_access() ? 1U : 0U;
      const auto next = next_access.find(key);
      future[number][i] = next == next_access.end() ? never_again : next->second - now;
      if (event.is_forget) {
        next_access.erase(key);  // another entry has its id then
      } else if (!event.is_insert) {
        next_access[key] = now;
      }
    }
  }
  return future;
}

/// Every policy with every value of its parameters. Of a range of integers 7, or 2 if it is short, of decimals 0.5; and
/// the default.
inline std::set<std::string> choices_of(const PolicyParameter& parameter) {
  std::set<std::string> choices{std::string(parameter.default_value)};
  std::string accepted(parameter.accepted);
  while (!accepted.empty()) {
    const std::string one = accepted.substr(0, accepted.find('|'));
    accepted.erase(0, one.size() + 1);
    const std::size_t dots = one.find("..");
    const bool is_short = dots != std::string::npos && one.size() - dots == 3;
    choices.insert(dots == std::string::npos ? one : one.find('.') != dots ? "0.5" : is_short ? "2" : "7");
  }
  return choices;
}

inline std::vector<PolicySpec> all_variants() {
  std::vector<PolicySpec> variants;
  for (const PolicyDescription& policy : policy_descriptions()) {
    std::vector<PolicySpec> some{{.name = std::string(policy.name), .parameters = {}}};
    for (const PolicyParameter& parameter : policy.parameters) {
      std::vector<PolicySpec> more;
      for (const std::string& choice : choices_of(parameter)) {
        for (PolicySpec spec : some) {
          spec.parameters.emplace_back(parameter.key, choice);
          more.push_back(std::move(spec));
        }
      }
      some = std::move(more);
    }
    variants.insert(variants.end(), some.begin(), some.end());
  }
  return variants;
}

inline std::uint64_t misses_of(const PolicySpec& spec, const ReplayLog& log, std::uint32_t capacity) {
  const auto cache = make_cache(spec, capacity, log.directory_entries, 0, {.longest_selection = log.longest});
  const bool needs_future = policy_needs(spec).future;
  const auto future = future_of(log);
  std::vector<EntryId> missed;
  for (std::size_t number = 0; number < log.events.size(); ++number) {
    if (needs_future) {
      cache->foresee(future[number]);
    }
    cache->select(origin_of(log, number), log.events[number].ids, missed);
  }
  return missed.size();
}

}  // namespace dsasim::test
