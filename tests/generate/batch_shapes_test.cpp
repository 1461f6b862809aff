// Synthetic traces of the shapes that serving has: steps of several queries, shared KV stores, units by layer, requests
// of unequal lengths.

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/generate/generate.hpp"
#include "dsasim/generate/preset.hpp"
#include "generate/selections.hpp"
#include "import/captures.hpp"
#include "refusal.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using namespace dsasim;
using captures::TempDir;
using test::refusal;

namespace {

SelectionModel small(const char* preset, std::uint32_t queries, Shape shape = {}) {
  shape.layers = shape.layers == 0 ? 3 : shape.layers;
  shape.top_k = 64;
  shape.steps = 150;
  shape.prompt_tokens = 2000;
  shape.requests = 2;
  SelectionModel model = model_of(find_preset(preset), find_preset(preset).statistics, shape);
  model.queries = queries;
  model.acceptance = 0.6;
  return model;
}

using Ids = std::vector<std::uint32_t>;

Ids ids_of(const SelectionView& view) {
  Ids ids;
  for (std::uint32_t i = 0; i < view.size; ++i) {
    ids.push_back(value(view.ids[i]));
  }
  return ids;
}

/// Of a request of a trace with a query a step: by position behind the prompt, by layer.
std::vector<std::vector<Ids>> by_position(const TraceReader& trace, std::uint32_t request) {
  std::vector<std::vector<Ids>> selections;
  RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
  while (cursor.next()) {
    selections.emplace_back();
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      selections.back().push_back(ids_of(cursor.selection(layer)));
    }
  }
  return selections;
}

}  // namespace

TEST_CASE("An accepted query selects what it selects without drafts, a rejected one what the next does", "[generate]") {
  const TempDir dir;
  generate(small("glm-5.1", 4), 5, dir / "drafts.dsat");
  SelectionModel single = small("glm-5.1", 1);
  single.steps = 4 * 150 + 1;
  generate(single, 5, dir / "single.dsat");
  const TraceReader drafts(dir / "drafts.dsat");
  const TraceReader plain(dir / "single.dsat");
  drafts.verify();
  for (std::uint32_t request = 0; request < 2; ++request) {
    const auto selections = by_position(plain, request);
    RequestCursor cursor(drafts, request, 0, drafts.extent(request).steps);
    std::uint64_t position = 0;
    std::set<std::uint32_t> numbers_accepted;
    while (cursor.next()) {
      const DecodeStep step = cursor.queries();
      REQUIRE(step.context_tokens == 2000 + position);
      REQUIRE(step.queries == 4);
      numbers_accepted.insert(step.accepted);
      for (std::uint32_t query = 0; query < step.queries; ++query) {
        for (std::uint32_t layer = 0; layer < drafts.layer_count(); ++layer) {
          Ids expected = selections[position + query + (query < step.accepted ? 0 : 1)][layer];
          const auto seen = static_cast<std::uint32_t>(step.seen_by(query));
          if (std::erase_if(expected, [seen](std::uint32_t id) { return id >= seen; }) > 0 &&
              (expected.empty() || expected.back() + 1 < seen)) {
            expected.push_back(seen - 1);
          }
          REQUIRE(ids_of(cursor.selection_of(query, layer)) == expected);
        }
      }
      position += step.accepted;
    }
    CHECK(numbers_accepted == std::set<std::uint32_t>{1, 2, 3, 4});
  }
}

TEST_CASE("As many drafts are accepted as the chance says", "[generate]") {
  const TempDir dir;
  SelectionModel model = small("uniform", 3);
  model.steps = 2000;
  generate(model, 1, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  std::uint64_t accepted = 0;
  for (std::uint32_t request = 0; request < 2; ++request) {
    for (std::uint64_t step = 0; step < 2000; ++step) {
      accepted += trace.queries(request, step).accepted;
    }
  }
  CHECK(static_cast<double>(accepted) / 4000 == Approx(1 + 0.6 + 0.36).margin(0.05));
  // Of every step all, or none but the token's own.
  model.steps = 50;
  model.acceptance = 1;
  generate(model, 1, dir / "all.dsat");
  CHECK(!TraceReader(dir / "all.dsat").rejects_queries());
  model.acceptance = 0;
  generate(model, 1, dir / "none.dsat");
  CHECK(TraceReader(dir / "none.dsat").queries(1, 49).context_tokens == 2049);
}

TEST_CASE("deepseek-v4.1-flash has its four KV stores, and ids of entries that its layers have", "[generate]") {
  const TempDir dir;
  const Preset& preset = find_preset("deepseek-v4.1-flash");
  SelectionModel model = model_of(preset, preset.statistics, {.top_k = 64, .steps = 40, .prompt_tokens = 1001});
  generate(model, 1, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  trace.verify();
  const TraceHeader& header = trace.header();
  std::vector<std::uint32_t> model_layers;
  std::vector<std::uint32_t> owners;
  std::vector<std::uint32_t> units;
  std::uint32_t selecting = 0;
  for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
    model_layers.push_back(header.layers[layer].model_layer);
    owners.push_back(header.store(layer).kv_owner);
    units.push_back(header.unit_of(layer));
    selecting += header.layers[layer].group_size;
    CHECK(header.kv_rows(layer) == 1);
    CHECK(header.store(layer).entry_bytes == 288);
  }
  CHECK(model_layers == std::vector<std::uint32_t>{2, 8, 14, 20, 24, 28, 32, 36});
  CHECK(owners == std::vector<std::uint32_t>{0, 1, 2, 3, 3, 3, 3, 3});
  CHECK(units == std::vector<std::uint32_t>{2, 2, 2, 1, 1, 1, 1, 1});
  CHECK(selecting == 38);
  std::vector<std::uint32_t> largest(trace.layer_count());
  for (const auto& step : by_position(trace, 0)) {
    for (std::size_t layer = 0; layer < step.size(); ++layer) {
      largest[layer] = std::max(largest[layer], step[layer].back());
    }
  }
  CHECK(*std::max_element(largest.begin(), largest.begin() + 3) < 521);  // of 1,041 tokens
  CHECK(*std::min_element(largest.begin() + 3, largest.end()) >= 521);
}

TEST_CASE("minimax-m3 selects its latest block at every step, also before it is full", "[generate]") {
  const TempDir dir;
  const Preset& preset = find_preset("minimax-m3");
  generate(model_of(preset, preset.statistics, {.layers = 8, .steps = 300, .prompt_tokens = 10000}), 1, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  trace.verify();
  CHECK(trace.header().layers[7].model_layer == 4);  // four heads of layer 3, and of layer 4
  const auto steps = by_position(trace, 0);
  for (std::size_t step = 0; step < steps.size(); ++step) {
    for (const Ids& ids : steps[step]) {
      REQUIRE(ids.size() == 16);
      REQUIRE(ids.back() == (10000 + step) / 128);
    }
  }
}

TEST_CASE("Requests of a batch are as long as their shapes say, and begin where these say", "[generate]") {
  const TempDir dir;
  const std::vector<RequestShape> batch = {{.prompt_tokens = 500, .steps = 30, .start_step = 0},
                                           {.prompt_tokens = 2000, .steps = 150, .start_step = 7},
                                           {.prompt_tokens = 40, .steps = 3, .start_step = 7}};
  const auto model_of_request = [](const RequestShape& request) {
    return model_of(find_preset("glm-5.1"), find_preset("glm-5.1").statistics,
                    {.layers = 3, .top_k = 64, .steps = request.steps, .prompt_tokens = request.prompt_tokens});
  };
  generate(batch, model_of_request, 5, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  trace.verify();
  for (std::uint32_t request = 0; request < 3; ++request) {
    CHECK(trace.header().requests[request].prompt_tokens == batch[request].prompt_tokens);
    CHECK(trace.header().requests[request].start_step == batch[request].start_step);
    CHECK(trace.extent(request).steps == batch[request].steps);
  }
  // The second is what it is in a batch of requests alike.
  generate(small("glm-5.1", 1), 5, dir / "alike.dsat");
  CHECK(by_position(trace, 1) == by_position(TraceReader(dir / "alike.dsat"), 1));
}

TEST_CASE("Steps until so many tokens are accepted are those that the trace has", "[generate]") {
  const TempDir dir;
  SelectionModel model = small("uniform", 3);
  model.steps = steps_to_accept(200, model, 9, 1);
  generate(model, 9, dir / "t.dsat");
  const TraceReader trace(dir / "t.dsat");
  const DecodeStep last = trace.queries(1, model.steps - 1);
  CHECK(last.context_tokens < 2000 + 200);
  CHECK(last.context_tokens + last.accepted >= 2000 + 200);
  CHECK(steps_to_accept(123, small("uniform", 1), 9, 0) == 123);
}

TEST_CASE("Units and KV stores that do not fit the layers are refused", "[generate]") {
  const auto shaped = [](std::vector<std::uint32_t> units, std::vector<std::uint32_t> owners) {
    return refusal([&] { small("glm-5.1", 1, {.unit_tokens = units, .kv_owners = owners}); });
  };
  CHECK(shaped({2}, {}).empty());
  CHECK(shaped({2, 2, 1}, {0, 0, 2}).empty());
  CHECK(shaped({2, 1}, {}) == "`unit_tokens`: expected a number for each of the 3 layers, found 2");
  CHECK(shaped({}, {0, 0}) == "`kv_stores`: expected a number for each of the 3 layers, found 2");
  CHECK(shaped({}, {0, 0, 1}) == "`kv_stores`: layer 2 reads the store of 1, which owns none");
  CHECK(shaped({}, {0, 1, 7}) == "`kv_stores`: layer 2 reads the store of 7, which owns none");
  CHECK(shaped({2, 1, 1}, {0, 0, 2}) ==
        "`kv_stores`: layer 1 has entries of 1 tokens and reads the store of layer 0, whose entries are of 2");
}

TEST_CASE("A store that several layers read has one row of an entry", "[generate]") {
  const SelectionModel model =
      model_of(find_preset("glm-5.2"), find_preset("glm-5.2").statistics,
               {.layers = 5, .top_k = 64, .steps = 1, .prompt_tokens = 100, .kv_owners = {0, 1, 2, 2, 4}});
  std::vector<std::uint32_t> rows;
  for (const StoreInfo& store : model.stores) {
    rows.push_back(store.kv_rows);
  }
  CHECK(rows == std::vector<std::uint32_t>{1, 1, 1, 1, 4});  // a group of four has a row in each of its stores
}
