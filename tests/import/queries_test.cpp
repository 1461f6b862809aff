// Captures of steps with several queries, pauses, heads and shared KV stores: what becomes of them as traces, and what
// is refused.

#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/export/export.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>

using namespace dsasim;
using namespace captures;

namespace {

/// "q/a: selections of query 0 by layer | of query 1 | ..." of each step of a request.
std::vector<std::string> steps_of(const TraceReader& trace, std::uint32_t request = 0) {
  std::vector<std::string> steps;
  RequestCursor cursor(trace, request, 0, trace.extent(request).steps);
  while (cursor.next()) {
    std::string text = fmt::format("{}/{}:", cursor.queries().queries, cursor.queries().accepted);
    for (std::uint32_t query = 0; query < cursor.queries().queries; ++query) {
      text += query == 0 ? "" : " |";
      for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
        const SelectionView view = cursor.selection_of(query, layer);
        std::vector<std::uint32_t> ids;
        for (std::uint32_t i = 0; i < view.size; ++i) {
          ids.push_back(value(view.ids[i]));
        }
        text += fmt::format(" {}", ids);
      }
    }
    steps.push_back(text);
  }
  return steps;
}

using Steps = std::vector<std::string>;

class Import {
 public:
  explicit Import(const ImportOptions& options = {}) : options_(options) {}

  TraceReader archive(const Members& members) {
    write_zip(folder / "r.npz", members);
    return of("r.npz");
  }
  TraceReader text(const char* name, std::string_view content) {
    write_file(folder / name, content);
    return of(name);
  }
  std::string error(const Members& members) {
    return error_of(folder, [&] { archive(members); });
  }
  std::string text_error(const char* name, std::string_view content) {
    return error_of(folder, [&] { text(name, content); });
  }
  TraceReader of(std::string_view name) {
    const std::filesystem::path path = folder / name;
    import_captures({&path, 1}, folder / "t.dsat", options_);
    return TraceReader(folder / "t.dsat");
  }

  TempDir folder;

 private:
  ImportOptions options_;
};

ImportOptions options_with(auto change) {
  ImportOptions options;
  change(options);
  return options;
}

/// Three steps with room for two queries, of two layers and two ids; a prompt of 8 tokens.
Members two_queries() {
  return {{"topk_indices.npy", npy("(3, 2, 2, 2)", {1,  8,  2,  3,  /* query 1 */ 9,
                                                    1,  -1, -1,  //
                                                    -1, -1, -1, -1, -1,
                                                    -1, -1, -1,  //
                                                    4,  -1, 9,  5,  -1,
                                                    -1, -1, -1})},
          {"accepted.npy", npy("(3,)", {1, 0, 1})},
          {"prompt_len.npy", scalar(8)}};
}

}  // namespace

TEST_CASE("an array of queries is read with what is accepted of them", "[import][queries]") {
  Import import;
  const TraceReader trace = import.archive(two_queries());
  CHECK(steps_of(trace) == Steps{"2/1: [1, 8] [2, 3] | [9, 1] []", "0/0:", "1/1: [4] [9, 5]"});
  CHECK(trace.header().has_queries);
  CHECK(trace.extent(0).accepted == 2);
}

TEST_CASE("queries of a step are as many as is said, or as select or are accepted", "[import][queries]") {
  Import import;
  Members members = two_queries();
  members.push_back({"queries.npy", npy("(3,)", {2, 1, 2})});
  CHECK(steps_of(import.archive(members)) ==
        Steps{"2/1: [1, 8] [2, 3] | [9, 1] []", "1/0: [] []", "2/1: [4] [9, 5] | [] []"});
  members.back().second = npy("(3,)", {1, 0, 1});
  CHECK(import.error(members) == "r.npz: topk_indices: step 0 has ids of query 1, and 1 queries");
  members.back().second = npy("(3,)", {2, 0, 0});
  CHECK(import.error(members) == "r.npz: step 2 has 0 queries, of which 1 are accepted");
  members = two_queries();
  members[1].second = npy("(3,)", {2, 2, 1});
  CHECK(steps_of(import.archive(members))[1] == "2/2: [] [] | [] []");
  members[1].second = npy("(3,)", {3, 0, 1});
  CHECK(import.error(members) == "r.npz: accepted: has 3, expected numbers from 0 to 2");
}

TEST_CASE("steps of one query that is accepted are a trace of version 1", "[import][queries]") {
  Import import;
  Members members = {{"topk_indices.npy", npy("(2, 1, 1, 2)", {1, 2, 3, 4})},
                     {"accepted.npy", npy("(2,)", {1, 1})},
                     {"kv_owners.npy", npy("(1,)", {0})},
                     {"prompt_len.npy", scalar(8)}};
  const TraceReader trace = import.archive(members);
  CHECK_FALSE(trace.header().has_queries);
  CHECK(trace.header().stores.empty());
  CHECK(read_file(import.folder / "t.dsat").substr(8, 1) == "\x01");
}

TEST_CASE("four dimensions are queries or heads, as somebody says", "[import][queries]") {
  const Members members = {{"topk_indices.npy", npy("(1, 2, 3, 1)", {0, 1, 2, 3, 4, 5})},
                           {"prompt_len.npy", scalar(8)}};
  CHECK(
      Import().error(members) ==
      "r.npz: topk_indices: shape (1, 2, 3, 1) is (steps, queries, layers, top-k) or (steps, layers, heads, top-k); an "
      "array `accepted` beside it says the first, `heads` 3 the second");
  Import heads(options_with([](auto& options) { options.heads = 3; }));
  const TraceReader trace = heads.archive(members);
  CHECK(steps_of(trace) == Steps{"1/1: [0] [1] [2] [3] [4] [5]"});
  CHECK(trace.header().layers[2].model_layer == 0);
  CHECK(trace.header().layers[3].model_layer == 1);
  CHECK(Import(options_with([](auto& options) { options.heads = 2; })).error(members) ==
        "r.npz: topk_indices: shape (1, 2, 3, 1) has 3 heads, `heads` says 2");
  CHECK(heads.error(two_queries()) ==
        "r.npz: topk_indices: shape (3, 2, 2, 2) has queries: `heads` is for (steps, layers, heads, top-k)");
  CHECK(heads.text_error("r.csv", "request,step,layer,id\na,0,0,1\n") ==
        "`heads`: does not apply to r.csv; expected an array (npz, npy)");
}

TEST_CASE("an archive says which KV store each layer reads", "[import][queries]") {
  Members members = {{"topk_indices.npy", npy("(1, 3, 2)", {1, 2, 1, 3, 0, 1})},
                     {"kv_owners.npy", npy("(3,)", {0, 0, 2})},
                     {"kv_unit_tokens.npy", npy("(3,)", {1, 1, 4})},
                     {"entry_bytes.npy", scalar(100)},
                     {"prompt_len.npy", scalar(8)}};
  Import import;
  const TraceReader trace = import.archive(members);
  const StoreInfo first{.kv_owner = 0, .kv_rows = 1, .unit_tokens = 1, .entry_bytes = 100};
  CHECK(trace.header().stores == std::vector<StoreInfo>{first, first, {2, 1, 4, 100}});
  members[1].second = npy("(3,)", {0, 0, 1});
  CHECK(import.error(members).find("reads the KV store of layer 1") != std::string::npos);
  members[1].second = npy("(3,)", {0, 0, 3});
  CHECK(import.error(members) == "r.npz: kv_owners: has 3, expected numbers from 0 to 2");
}

TEST_CASE("a map says which KV store each layer of the model reads", "[import][queries]") {
  // Six layers: 0 to 2 use the index of 0, and 3 to 5 that of 3. All read the store of layer 0 but layer 5 in the last.
  const Members members = {{"topk_indices.npy", npy("(1, 2, 2)", {1, 2, 1, 3})}, {"prompt_len.npy", scalar(8)}};
  const auto import_with = [](const char* kv_map, const char* layer_map) {
    return options_with([&](auto& options) {
      options.kv_map = kv_map;
      options.layer_map = layer_map;
    });
  };
  Import import(import_with("0,0,0,0,0,0", "0,0,0,3,3,3"));
  const TraceReader trace = import.archive(members);
  const StoreInfo store{.kv_owner = 0, .kv_rows = 1, .unit_tokens = 1, .entry_bytes = 0};
  CHECK(trace.header().stores == std::vector<StoreInfo>{store, store});
  CHECK(trace.header().layers[1].group_size == 3);
  // Of three layers that use an index, each has a store that the other three read as well.
  Import bundles(import_with("0,1,2,0,1,2", "0,0,0,3,3,3"));
  CHECK(bundles.archive(members).header().stores[1] == StoreInfo{.kv_owner = 0, .kv_rows = 3});
  CHECK(
      Import(import_with("0,0,0,0,0,5", "0,0,0,3,3,3")).error(members) ==
      "`kv_map`: the layers that use the index of layer 0 and those of layer 3 read some KV stores together and others "
      "apart; that is not supported");
  CHECK(Import(import_with("0,0,0", "0,0,0,3,3,3")).error(members) ==
        "`kv_map`: says nothing of layer 3, which selects");
  CHECK(Import(import_with("0,0,1", "")).error(members) ==
        "`kv_map`: layer 2 has the KV store of layer 1, which has none of its own");
  Members own = members;
  own.push_back({"kv_owners.npy", npy("(2,)", {0, 0})});
  CHECK(Import(import_with("0,0", "")).error(own) ==
        "`kv_map`: the captures say themselves which KV store each layer reads");
}

namespace {

/// One step of each layer's row of two ids, of a model of so many layers that select.
Members one_step(std::size_t layers, const std::vector<std::int64_t>& ids) {
  return {{"topk_indices.npy", npy(fmt::format("(1, {}, 2)", layers), ids)}, {"prompt_len.npy", scalar(8)}};
}

/// As DeepSeek-V4.1: layers 1 and 2 read a store of entries of 2 tokens, 3 to 5 one of single tokens; 1, 3 and 5 have
/// an index.
constexpr std::string_view two_stores = R"({"model_type": "deepseek_v41", "num_hidden_layers": 6, "index_topk": 2,
    "head_dim": 512, "compress_ratios": [0, 2, 2, 1, 1, 1], "index_source_layer_ids": [1, 3, 5],
    "kv_source_layer_ids": [1, 3]})";

}  // namespace

TEST_CASE("a checkpoint's configuration gives the KV stores, their units and bytes", "[import][queries]") {
  const StoreInfo pairs{.kv_owner = 0, .kv_rows = 1, .unit_tokens = 2, .entry_bytes = 288};
  const StoreInfo tokens{.kv_owner = 1, .kv_rows = 1, .unit_tokens = 1, .entry_bytes = 288};
  // Of 9 tokens the fifth entry of two is begun.
  const Members members = one_step(3, {0, 4, 0, 8, 8, 1});
  const TempDir dir;
  write_file(dir / "config.json", two_stores);
  const std::string config = (dir / "config.json").string();
  for (const bool by_model : {true, false}) {
    Import named(options_with([&](auto& options) {
      (by_model ? options.model : options.kv_map) = config;
      options.layer_map = by_model ? "" : config;
    }));
    const TraceReader trace = named.archive(members);
    CHECK(trace.header().stores == std::vector<StoreInfo>{pairs, tokens, tokens});
    CHECK(steps_of(trace) == Steps{"1/1: [0, 4] [0, 8] [8, 1]"});
    CHECK(trace.header().layers[1] == LayerInfo{.model_layer = 3, .group_size = 2});
    // An id that is a token of the context and no entry of two.
    CHECK(named.error(one_step(3, {0, 8, 0, 8, 8, 1})).find("id 8 lies outside the context of 5 entries") !=
          std::string::npos);
  }
}

TEST_CASE("what the user says of entries holds beside a model's KV stores, or is refused", "[import][queries]") {
  const TempDir dir;
  write_file(dir / "config.json", two_stores);
  const auto import_with = [&](auto change) {
    return Import(options_with([&](auto& options) {
      options.model = (dir / "config.json").string();
      change(options);
    }));
  };
  const Members members = one_step(3, {0, 4, 0, 8, 8, 1});
  Import fp8 = import_with([](auto& options) { options.entry_bytes = 528; });
  const TraceReader trace = fp8.archive(members);
  for (const StoreInfo& store : trace.header().stores) {
    CHECK(store.entry_bytes == 528);
  }
  CHECK(import_with([](auto& options) { options.unit_tokens = 2; }).error(members) ==
        "`unit_tokens`: has no effect: `model` says the tokens of an entry, layer by layer");
}

TEST_CASE("heads that select for themselves are layers by a model's word", "[import][queries]") {
  // As MiniMax-M3: layer 1 of 2 selects, by two heads. Rows of both layers, and of the one that selects.
  const TempDir dir;
  write_file(dir / "config.json", R"({"model_type": "minimax_m3", "num_hidden_layers": 2, "head_dim": 128,
      "sparse_attention_config": {"sparse_attention_freq": [0, 1], "sparse_num_index_heads": 2,
      "sparse_topk_blocks": 2, "sparse_block_size": 4}})");
  Import import(options_with([&](auto& options) { options.model = (dir / "config.json").string(); }));
  const auto rows = [](const char* shape, const std::vector<std::int64_t>& ids) {
    return Members{{"topk_indices.npy", npy(shape, ids)}, {"prompt_len.npy", scalar(8)}};
  };
  for (const Members& members :
       {rows("(1, 2, 2, 2)", {-1, -1, -1, -1, 0, 2, 1, 2}), rows("(1, 1, 2, 2)", {0, 2, 1, 2})}) {
    const TraceReader trace = import.archive(members);
    CHECK(steps_of(trace) == Steps{"1/1: [0, 2] [1, 2]"});
    CHECK(trace.header().layers ==
          std::vector<LayerInfo>{{.model_layer = 1, .group_size = 1}, {.model_layer = 1, .group_size = 1}});
    CHECK(trace.header().unit_tokens == 4);
    CHECK(trace.header().entry_bytes == 4 * 512);
  }
  CHECK(import.error(rows("(1, 2, 3, 2)", iota(12))) ==
        "r.npz: topk_indices: shape (1, 2, 3, 2) has 3 heads, `heads` says 2");
  Import other(options_with([&](auto& options) {
    options.model = (dir / "config.json").string();
    options.heads = 3;
  }));
  CHECK(other.error(rows("(1, 1, 2, 2)", {0, 2, 1, 2})) ==
        "`heads`: is 3, `model` says that 2 KV heads of a layer select for themselves");
}

TEST_CASE("rows of csv name their query", "[import][queries]") {
  Import import(options_with([](auto& options) { options.prompt_tokens = 8; }));
  const std::string header = "request,step,query,accepted,layer,id\n";
  // Request b joins at step 1 and pauses at step 2.
  const TraceReader trace = import.text("r.csv", header +
                                                     "a,0,0,1,0,8\na,0,0,1,0,1\na,0,1,1,0,9\n"
                                                     "a,1,0,2,0,9\na,1,1,2,0,10\n"
                                                     "b,1,0,1,0,3\nb,3,0,1,0,9\n");
  CHECK(steps_of(trace, 0) == Steps{"2/1: [8, 1] | [9]", "2/2: [9] | [10]"});
  CHECK(steps_of(trace, 1) == Steps{"1/1: [3]", "0/0:", "1/1: [9]"});
  CHECK(trace.header().requests[1].start_step == 1);
  CHECK(import.text_error("r.csv", header + "a,0,0,1,0,1\na,0,1,0,0,1\n") ==
        "r.csv: line 3: request a, step 0: 0 queries are accepted, a row before says 1");
  CHECK(import.text_error("r.csv", header + "a,0,1,1,0,1\n") ==
        "r.csv: request a has 1 rows at step 0, expected 2: 1 layers x 2 queries");
  CHECK(import.text_error("r.csv", header + "a,0,0,2,0,1\n") ==
        "r.csv: request a has 1 queries at step 0, of which 2 are accepted");
  CHECK(import.text_error("r.csv", header + "a,0,0,1,0,1\na,0,2,1,0,1\na,0,0,1,0,2\n") ==
        "r.csv: line 4: request a has layer 0 at step 0 twice, of query 0");
  CHECK(import.text_error("r.csv", header + "a,0,1024,1,0,1\n").find("at most 1024 queries") != std::string::npos);
}

TEST_CASE("rows of jsonl name their query, and their contexts grow by what is accepted", "[import][queries]") {
  const auto row = [](int step, int query, int accepted, int context, int id) {
    return fmt::format(R"({{"request_id": "a", "layer_id": 4, "step_idx": {}, "query": {}, "accepted": {},)"
                       R"( "seq_len_current": {}, "selected_token_pos": [{}, -1]}})"
                       "\n",
                       step, query, accepted, context, id);
  };
  Import import;
  const TraceReader trace =
      import.text("r.jsonl", row(5, 0, 1, 9, 8) + row(5, 1, 1, 10, 9) + row(7, 0, 1, 10, 9) + row(8, 0, 1, 11, 10));
  CHECK(trace.header().requests[0].prompt_tokens == 8);
  CHECK(steps_of(trace) == Steps{"2/1: [8] | [9]", "0/0:", "1/1: [9]", "1/1: [10]"});
  CHECK(import.text_error("r.jsonl", row(5, 0, 1, 9, 8) + row(5, 1, 1, 11, 9))
            .find("request a, step 5: query 1 sees a context of 11, query 0 one of 9") != std::string::npos);
  CHECK(import.text_error("r.jsonl", row(5, 0, 1, 9, 8) + row(6, 0, 1, 11, 9)) ==
        "r.jsonl: request a: the context of query 0 of step 6 is 11, from the steps before follows 10");
}

TEST_CASE("traces of queries and stores come back from npz, and those of queries from csv", "[import][queries]") {
  Members members = two_queries();
  members.push_back({"kv_owners.npy", npy("(2,)", {0, 0})});
  Import import;
  const TraceReader trace = import.archive(members);
  const std::string digest = trace.digest();
  export_npz(trace, 0, import.folder / "back.npz");
  const TraceReader back = import.of("back.npz");
  CHECK(back.digest() == digest);
  CHECK(back.identity() == trace.identity());

  Import plain(options_with([](auto& options) { options.prompt_tokens = 8; }));
  const TraceReader queries = plain.archive(two_queries());
  std::string csv;
  ReplayConfig config;
  config.capacity = Capacity::parse("0");
  export_trace(queries, "csv", config, [&csv](std::string_view bytes) { csv += bytes; });
  CHECK(csv.substr(0, csv.find('\n')) == "request,step,query,accepted,layer,id");
  const std::string expected = queries.digest();
  CHECK(plain.text("r.csv", csv).digest() == expected);
}

TEST_CASE("the position of its own query is told apart by query", "[import][queries]") {
  // Each query selects the position of its own: nothing warns, whatever is accepted.
  const std::int64_t steps = 40;
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> accepted;
  std::int64_t context = 100;
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::int64_t query = 0; query < 3; ++query) {
      ids.insert(ids.end(), {context + query, 5});
    }
    accepted.push_back(1 + step % 3);
    context += accepted.back();
  }
  const TempDir folder;
  write_zip(folder / "r.npz", {{"topk_indices.npy", npy("(40, 3, 1, 2)", ids)},
                               {"accepted.npy", npy("(40,)", accepted)},
                               {"prompt_len.npy", scalar(100)}});
  const std::filesystem::path path = folder / "r.npz";
  CHECK(import_captures({&path, 1}, folder / "t.dsat", {}).warnings.empty());
}
