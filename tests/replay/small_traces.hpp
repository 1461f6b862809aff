#pragma once

// Traces small enough to be held as they are, written to files of many small chunks.

#include "dsasim/trace/header.hpp"
#include "dsasim/trace/writer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <random>
#include <vector>

namespace dsasim::test {

using PlainSelection = std::vector<std::uint32_t>;
using PlainStep = std::vector<PlainSelection>;  ///< by layer; with several queries, one after the other
using PlainRequest = std::vector<PlainStep>;    ///< by step, counted from the request's own first

/// Of a step of a trace with queries.
struct PlainQueries {
  std::uint32_t queries = 1;
  std::uint32_t accepted = 1;
};

struct PlainTrace {
  TraceHeader header;
  std::vector<PlainRequest> requests;
  std::vector<std::vector<PlainQueries>> queries = {};  ///< of each step; empty if the header has none

  PlainQueries queries_of(std::size_t request, std::size_t step) const {
    return header.has_queries ? queries[request][step] : PlainQueries{};
  }
};

inline void write_trace(const std::filesystem::path& path, const PlainTrace& trace, std::uint32_t chunk_steps = 3) {
  TraceWriter writer(path, trace.header, {.chunk_steps = chunk_steps});
  for (std::uint32_t request = 0; request < trace.requests.size(); ++request) {
    for (std::size_t step = 0; step < trace.requests[request].size(); ++step) {
      if (trace.header.has_queries) {
        writer.begin_step(request, trace.queries[request][step].queries, trace.queries[request][step].accepted);
      }
      for (const PlainSelection& selection : trace.requests[request][step]) {
        std::vector<EntryId> ids;
        std::vector<std::uint16_t> scores;
        for (const std::uint32_t id : selection) {
          ids.push_back(EntryId{id});
          if (trace.header.has_scores) {
            scores.push_back(static_cast<std::uint16_t>(31 * id));  // of no meaning
          }
        }
        writer.append(request, ids, scores);
      }
    }
  }
  writer.finish();
}

/// One request of one layer that selects these ids, step by step.
inline PlainTrace one_stream(const std::vector<PlainSelection>& selections, std::uint64_t prompt_tokens = 20) {
  PlainTrace trace;
  trace.header.layers = {{}};
  trace.header.requests = {{.prompt_tokens = prompt_tokens, .start_step = 0}};
  trace.requests.emplace_back();
  for (const PlainSelection& selection : selections) {
    trace.requests[0].push_back({selection});
  }
  return trace;
}

/// What a random trace looks like. Its requests differ in prompt, start and length; the last may have no steps.
struct TraceShape {
  std::uint32_t requests = 3;
  std::uint32_t layers = 3;
  std::uint32_t unit_tokens = 1;
  IdKind ids = IdKind::logical;
  std::uint32_t top_k = 8;
  bool groups = false;
  std::uint32_t longest_prompt = 24;  ///< in units, less one
  std::uint32_t longest_steps = 18;   ///< less one; the shortest has a third
  std::uint32_t slots = 60;           ///< physical ids are below
  std::uint32_t kept_of_8 = 0;        ///< so many of eight ids stay selected from a step to the next
  std::uint32_t queries = 0;          ///< the most of a step; 0 for a trace without
  bool rejects = false;               ///< not all of them are accepted
  bool stores = false;                ///< layers may share KV stores, which may differ in unit and bytes
};

/// Each layer has its own, or that of a layer before it.
inline std::vector<StoreInfo> random_stores(const TraceHeader& header, std::mt19937_64& bits) {
  const auto draw = [&bits](std::uint64_t bound) { return static_cast<std::uint32_t>(bits() % bound); };
  const bool mixed = draw(2) == 0;
  std::vector<StoreInfo> stores;
  for (std::uint32_t layer = 0; layer < header.layers.size(); ++layer) {
    const std::uint32_t owner = draw(layer + 1);
    if (owner < layer && stores[owner].kv_owner == owner) {
      stores.push_back(stores[owner]);
      continue;
    }
    stores.push_back({.kv_owner = layer,
                      .kv_rows = draw(2) == 0 ? 1 : header.layers[layer].group_size,
                      .unit_tokens = mixed ? 1 + draw(4) : header.unit_tokens,
                      .entry_bytes = mixed ? 40 + 8 * draw(3) : 48});
  }
  return stores;
}

inline PlainTrace random_trace(const TraceShape& shape, std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  const auto draw = [&bits](std::uint64_t bound) { return static_cast<std::uint32_t>(bits() % bound); };
  PlainTrace trace;
  trace.header.ids = shape.ids;
  trace.header.unit_tokens = shape.unit_tokens;
  trace.header.page_tokens = 8;
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    trace.header.layers.push_back({.model_layer = 3 * layer, .group_size = shape.groups ? 1 + (layer + 1) % 3 : 1});
  }
  if (shape.stores) {
    const std::vector<StoreInfo> stores = random_stores(trace.header, bits);
    trace.header.unit_tokens = stores[0].unit_tokens;
    trace.header.entry_bytes = stores[0].entry_bytes;
    bool plain = true;  // a trace of these has none
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      plain = plain && stores[layer] == trace.header.store(layer);
    }
    trace.header.stores = plain ? std::vector<StoreInfo>() : stores;
  }
  trace.header.has_queries = shape.queries > 0;
  for (std::uint32_t request = 0; request < shape.requests; ++request) {
    const RequestInfo info{.prompt_tokens = draw(shape.longest_prompt) * shape.unit_tokens + draw(shape.unit_tokens),
                           .start_step = request == 0 ? 0 : draw(5)};
    trace.header.requests.push_back(info);
    const std::uint32_t steps = request > 1 && request + 1 == shape.requests
                                    ? 0
                                    : shape.longest_steps / 3 + draw(shape.longest_steps - shape.longest_steps / 3);
    PlainRequest& written = trace.requests.emplace_back();
    std::uint64_t tokens = info.prompt_tokens;
    std::vector<PlainSelection> last(shape.layers);
    for (std::uint32_t step = 0; step < steps; ++step) {
      PlainQueries queries;
      if (shape.queries > 0) {
        queries.queries = draw(6) == 0 ? 0 : 1 + draw(shape.queries);
        queries.accepted = shape.rejects ? draw(queries.queries + 1) : queries.queries;
        trace.queries.resize(request + 1);
        trace.queries[request].push_back(queries);
      }
      PlainStep& selections = written.emplace_back();
      for (std::uint32_t row = 0; row < queries.queries * shape.layers; ++row) {
        const std::uint32_t layer = row % shape.layers;
        const auto context =
            static_cast<std::uint32_t>((tokens + row / shape.layers + 1) / trace.header.unit_of(layer));
        const std::uint32_t bound = shape.ids == IdKind::logical ? context : shape.slots;
        PlainSelection& selection = selections.emplace_back();
        const std::uint32_t wanted = std::min(bound, draw(8) == 0 ? 0 : draw(shape.top_k + 1));
        for (const std::uint32_t id : shape.kept_of_8 == 0 ? PlainSelection() : last[layer]) {
          if (selection.size() < wanted && id < bound && draw(8) < shape.kept_of_8) {
            selection.push_back(id);
          }
        }
        while (selection.size() < wanted) {
          // Half of them recent: the newest is often selected, and there is reuse.
          const std::uint32_t id = draw(2) == 0 ? bound - 1 - draw(std::min(bound, 6U)) : draw(bound);
          if (std::find(selection.begin(), selection.end(), id) == selection.end()) {
            selection.push_back(id);
          }
        }
        last[layer] = selection;
      }
      tokens += queries.accepted;
    }
  }
  trace.queries.resize(shape.queries > 0 ? shape.requests : 0);
  return trace;
}

/// Batches of all kinds: units, slots, groups, orders and scores; requests that start at any step, with gaps between
/// them, of any length down to none; ids that stay selected and that do not; contexts of a few ids and of thousands.
inline PlainTrace random_batch(std::uint64_t seed) {
  std::mt19937_64 bits(seed);
  const auto draw = [&bits](std::uint64_t bound) { return static_cast<std::uint32_t>(bits() % bound); };
  const auto one_of = [&draw](const auto& choices) { return choices[draw(choices.size())]; };
  TraceShape shape{.requests = 1 + draw(4),
                   .layers = 1 + draw(3),
                   .unit_tokens = one_of(std::array{1U, 1U, 1U, 4U, 4U, 3U}),
                   .ids = draw(4) == 0 ? IdKind::physical : IdKind::logical,
                   .top_k = one_of(std::array{1U, 3U, 6U, 6U, 10U, 20U}),
                   .groups = draw(2) == 0,
                   .longest_prompt = one_of(std::array{1U, 8U, 24U, 24U, 100U, 700U}),
                   .longest_steps = one_of(std::array{3U, 12U, 18U, 18U, 40U}),
                   .slots = one_of(std::array{20U, 60U, 200U, 3000U}),
                   .kept_of_8 = one_of(std::array{0U, 4U, 6U, 7U})};
  if (draw(16) == 0) {  // so many steps that a block of 64 ends within a chunk
    shape.requests = 1 + draw(2);
    shape.layers = 1;
    shape.longest_steps = 150;
    shape.top_k = 3;
  } else if (draw(16) == 0) {  // so many ids that selections do not come as sets
    shape.longest_prompt = 9000;
    shape.slots = 50'000;
  }
  if (draw(3) == 0) {  // what version 1 cannot express
    shape.queries = draw(3) == 0 ? 0 : 1 + draw(4);
    shape.rejects = draw(2) == 0;
    shape.stores = shape.queries == 0 || draw(2) == 0;
  }
  PlainTrace trace = random_trace(shape, bits());
  trace.header.has_scores = draw(8) == 0;
  trace.header.page_tokens = one_of(std::array{0U, 1U, 8U, 64U});
  const std::uint32_t entry_bytes = one_of(std::array{0U, 48U, 656U});
  trace.header.entry_bytes = shape.stores ? trace.header.entry_bytes : entry_bytes;
  const std::uint32_t latest_start = one_of(std::array{1U, 1U, 6U, 30U, 100U});
  const std::uint32_t sorted_of_16 = one_of(std::array{0U, 8U, 15U, 16U});
  for (std::uint32_t request = 0; request < shape.requests; ++request) {
    trace.header.requests[request].start_step = draw(latest_start);
    const std::uint32_t cut = draw(8);
    if (cut < 2) {
      trace.requests[request].resize(std::min<std::size_t>(trace.requests[request].size(), cut));
      if (trace.header.has_queries) {
        trace.queries[request].resize(trace.requests[request].size());
      }
    }
    for (PlainStep& step : trace.requests[request]) {
      for (PlainSelection& selection : step) {
        if (draw(16) < sorted_of_16) {
          std::sort(selection.begin(), selection.end());
        }
      }
    }
  }
  return trace;
}

}  // namespace dsasim::test
