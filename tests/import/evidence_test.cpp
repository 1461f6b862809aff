// What the ids of a capture say against what was declared of them: rows that begin elsewhere, prompts of another
// length, ids of several tokens, slots, damage, and requests that are there twice.
#include "import/evidence.hpp"

#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/export/export.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

using namespace dsasim;
using namespace captures;

namespace fs = std::filesystem;
using Values = std::vector<std::int64_t>;

namespace {

constexpr std::int64_t layers = 3;
constexpr std::int64_t top_k = 8;
constexpr std::int64_t prompt = 40;

/// What the queries of positions 39 to 47 select, a line each: 8 ids in each of 3 layers. The prompt has 40 tokens, so
/// that the decode steps are those from 40 on: 192 accesses, of which 175 miss in caches of 8 entries, one for each
/// layer, by the definition of LRU.
const Values nine_rows{
    19, 33, 13, 26, 20, 16, 21, 14, 25, 5,  7,  27, 21, 20, 6,  38, 8,  6,  16, 36, 17, 30, 25, 2,   //
    13, 40, 7,  9,  19, 3,  22, 33, 27, 23, 3,  17, 15, 10, 5,  9,  13, 21, 22, 3,  4,  36, 8,  23,  //
    3,  34, 12, 29, 18, 27, 4,  1,  39, 36, 0,  33, 31, 23, 34, 20, 1,  34, 17, 18, 30, 11, 24, 16,  //
    0,  8,  40, 4,  23, 20, 15, 27, 39, 8,  18, 9,  32, 22, 15, 12, 12, 32, 26, 42, 36, 40, 34, 38,  //
    13, 4,  27, 34, 39, 0,  24, 25, 17, 1,  12, 41, 24, 42, 40, 32, 36, 38, 42, 33, 16, 1,  9,  18,  //
    7,  2,  10, 17, 19, 44, 13, 1,  9,  41, 5,  26, 35, 21, 6,  29, 23, 24, 15, 27, 32, 26, 28, 29,  //
    25, 9,  22, 4,  17, 15, 44, 2,  30, 27, 26, 23, 18, 16, 4,  20, 38, 17, 41, 45, 15, 31, 1,  20,  //
    8,  38, 18, 45, 22, 15, 44, 0,  12, 18, 43, 45, 30, 19, 26, 23, 4,  25, 27, 46, 9,  38, 40, 41,  //
    12, 46, 22, 7,  42, 25, 8,  26, 4,  26, 36, 6,  7,  31, 33, 23, 39, 13, 35, 14, 43, 22, 33, 9,
};

Values decode_rows_of_nine() {
  return {nine_rows.begin() + layers * top_k, nine_rows.end()};
}

/// The rows of the queries from position `first` on: those before 39 are stale.
Values rows_from(std::int64_t first) {
  Values out(static_cast<std::size_t>((prompt - 1 - first) * layers * top_k), 0);
  out.insert(out.end(), nine_rows.begin(), nine_rows.end());
  return out;
}

std::string response(const Values& ids, std::string_view more = "") {
  return sglang_response(
      ids, fmt::format(R"(, "prompt_tokens": 40, "completion_tokens": 9, "indexer_topk_num_layers": 3{})", more));
}

ImportOptions of_eight() {
  ImportOptions options;
  options.top_k = 8;
  return options;
}

ImportedIds import(const TempDir& dir, const std::vector<std::string>& names, const ImportOptions& options = {}) {
  std::vector<fs::path> inputs;
  for (const std::string& name : names) {
    inputs.push_back(dir / name);
  }
  ImportedIds ids = import_captures(inputs, dir / "out.dsat", options);
  for (std::string& warning : ids.warnings) {
    warning = dir.strip(warning);
  }
  return ids;
}

std::string import_error(const TempDir& dir, const std::vector<std::string>& names, const ImportOptions& options = {}) {
  const std::string message = error_of(dir, [&] { import(dir, names, options); });
  CHECK(fs::exists(dir / "out.dsat") == message.empty());
  return message;
}

/// Accesses and misses of LRU caches of 8 entries, one for each layer.
std::pair<std::uint64_t, std::uint64_t> counts(const TempDir& dir) {
  ReplayConfig config;
  config.scope = Scope::layer;
  config.capacity = Capacity::parse("8");
  const Counters totals = replay(TraceReader(dir / "out.dsat"), config).totals;
  return {totals.accesses, totals.misses()};
}

const std::pair<std::uint64_t, std::uint64_t> right{192, 175};

/// A request as models select: of two layers, each step names its own position, but one in 50 does not, and others at
/// random; in order of the ids.
Values realistic(std::int64_t tokens, std::int64_t steps, std::size_t width, unsigned seed) {
  std::mt19937 random(seed);
  Values out;
  for (std::int64_t own = tokens; own < tokens + steps; ++own) {
    for (int layer = 0; layer < 2; ++layer) {
      Values row = iota(static_cast<std::size_t>(own));
      std::shuffle(row.begin(), row.end(), random);
      row.resize(std::min(width, row.size()));
      if (random() % 50 != 0) {
        row.back() = own;
      }
      std::sort(row.begin(), row.end());
      row.resize(width, -1);
      out.insert(out.end(), row.begin(), row.end());
    }
  }
  return out;
}

void write_steps(const fs::path& path, const Values& ids, std::int64_t steps, std::size_t width) {
  write_file(path, npy(fmt::format("({}, 2, {})", steps, width), ids));
}

ImportOptions with_prompt(std::uint64_t tokens) {
  ImportOptions options;
  options.prompt_tokens = tokens;
  return options;
}

constexpr PromptStart last_of_prompt{.from = PromptStart::From::end, .tokens = 1};
constexpr PromptStart end_of_prompt{.from = PromptStart::From::end, .tokens = 0};

}  // namespace

TEST_CASE("as many rows as completion tokens have to show where they begin", "[import][evidence]") {
  const TempDir dir;
  write_file(dir / "r.json", response(nine_rows));
  write_zip(dir / "r.npz", {{"topk_index.npy", npy("(9, 3, 8)", nine_rows)},
                            {"prompt_tokens.npy", scalar(40)},
                            {"completion_tokens.npy", scalar(9)}});
  const std::string name = GENERATE("r.json", "r.npz");
  ImportOptions options = of_eight();
  CHECK(
      import_error(dir, {name}, options) ==
      name +
          ": has as many rows as completion tokens; they may begin with the prompt's last token or behind the "
          "prompt. If they begin behind it, 0 of 27 selections name the position of their own query (97 to 100% do in "
          "real captures); give `prompt_start` last, or `prompt_start` end");
  options.prompt_start = last_of_prompt;
  CHECK(import(dir, {name}, options).warnings.empty());
  CHECK(counts(dir) == right);
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 39};
  import(dir, {name}, options);
  CHECK(counts(dir) == right);
  options.prompt_start = end_of_prompt;
  import(dir, {name}, options);
  CHECK(counts(dir).first == 216);
}

TEST_CASE("as many rows as completion tokens are decode steps if the ids say so", "[import][evidence]") {
  const TempDir dir;
  const Values ids = realistic(100, 30, 8, 1);
  const auto write = [&](std::int64_t tokens) {
    write_zip(dir / "r.npz", {{"topk_index.npy", npy("(30, 2, 8)", ids)},
                              {"prompt_tokens.npy", scalar(tokens)},
                              {"completion_tokens.npy", scalar(30)}});
  };
  write(100);
  CHECK(import(dir, {"r.npz"}).warnings.empty());
  CHECK(TraceReader(dir / "out.dsat").extent(0).steps == 30);
  fs::remove(dir / "out.dsat");
  write(101);
  CHECK(import_error(dir, {"r.npz"}).find("0 of 60 selections name the position") != std::string::npos);
  // Slots and entries of several tokens say nothing.
  write(100);
  ImportOptions options;
  options.ids = IdClaim::physical;
  CHECK(import_error(dir, {"r.npz"}, options).find("Its ids do not say which") != std::string::npos);
  // A context that is selected whole says it as well as one that is not.
  write_zip(dir / "r.npz",
            {{"topk_index.npy", npy("(2, 1, 8)", {0, 1, 2, 3, -1, -1, -1, -1, 0, 1, 2, 3, 4, -1, -1, -1})},
             {"prompt_tokens.npy", scalar(3)},
             {"completion_tokens.npy", scalar(2)}});
  CHECK(import(dir, {"r.npz"}).warnings.empty());
}

TEST_CASE("the rows of a cached prefix may be missing", "[import][evidence]") {
  const TempDir dir;
  ImportOptions options = of_eight();
  write_file(dir / "full.json", response(rows_from(0)));
  import(dir, {"full.json"}, options);
  CHECK(counts(dir) == right);
  fs::remove(dir / "out.dsat");
  write_file(dir / "r.json", response(rows_from(4)));
  CHECK(import_error(dir, {"r.json"}, options) ==
        "r.json: response 0, meta_info.indexer_topk: has 44 rows, 40 prompt and 9 completion tokens make 48; if the "
        "rows of a cached prefix are missing, `prompt_start` 4 says it");
  write_file(dir / "said.json", response(rows_from(4), R"(, "indexer_topk_start_len": 4)"));
  import(dir, {"said.json"}, options);
  CHECK(counts(dir) == right);
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 4};
  import(dir, {"r.json"}, options);
  CHECK(counts(dir) == right);
  import(dir, {"said.json"}, options);
  CHECK(counts(dir) == right);

  fs::remove(dir / "out.dsat");
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 5};
  CHECK(import_error(dir, {"said.json"}, options) ==
        "said.json: response 0, meta_info.indexer_topk: its rows begin at position 4, `prompt_start` says 5");
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 3};
  CHECK(import_error(dir, {"r.json"}, options) ==
        "r.json: response 0, meta_info.indexer_topk: has 44 rows, 40 prompt and 9 completion tokens make 45 from "
        "position 3 on");
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 41};
  CHECK(import_error(dir, {"r.json"}, options) ==
        "r.json: response 0, meta_info.indexer_topk: has 44 rows, 40 prompt and 9 completion tokens make 7 from "
        "position 41 on");
}

TEST_CASE("arrays of steps may begin within the prompt", "[import][evidence]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(9, 3, 8)", nine_rows));
  ImportOptions options;
  options.prompt_start = last_of_prompt;
  CHECK(import_error(dir, {"a.npy"}, options) ==
        "a.npy: does not say how long the prompt is; `prompt_start` needs `prompt_len`");
  options.prompt_tokens = 40;
  import(dir, {"a.npy"}, options);
  CHECK(counts(dir) == right);
  write_zip(dir / "a.npz",
            {{"x.npy", npy("(9, 3, 8)", nine_rows)}, {"prompt_len.npy", scalar(40)}, {"start.npy", scalar(39)}});
  import(dir, {"a.npz"});
  CHECK(counts(dir) == right);
  fs::remove(dir / "out.dsat");
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 41};
  CHECK(import_error(dir, {"a.npy"}, options) ==
        "a.npy: its rows begin at position 41, behind the prompt of 40 tokens: its first steps are missing");
  write_file(dir / "r.csv", "request,step,layer,id\na,0,0,1\n");
  CHECK(import_error(dir, {"r.csv"}, options) ==
        "`prompt_start`: does not apply to r.csv, whose rows name their steps");
}

TEST_CASE("negative ids are padding wherever they stand", "[import][evidence]") {
  const TempDir dir;
  write_zip(dir / "a.npz", {{"topk_indices.npy", npy("(1, 2, 4)", {-1, 3, -1, 1, 2, -5, 0, -1})},
                            {"topk_scores.npy", halves("(1, 2, 4)", {0x7e00, 3, 0x7e00, 1, 2, 0x7e00, 0, 0x7e00})},
                            {"prompt_len.npy", scalar(5)}});
  import(dir, {"a.npz"});
  const TraceReader trace(dir / "out.dsat");
  RequestCursor cursor(trace, 0, 0, 1);
  REQUIRE(cursor.next());
  const SelectionView first = cursor.selection(0);
  REQUIRE(first.size == 2);
  CHECK((value(first.ids[0]) == 3 && value(first.ids[1]) == 1));
  CHECK((first.scores[0] == 3 && first.scores[1] == 1));
  CHECK(cursor.selection(1).size == 2);
}

TEST_CASE("one id outside its context is damage, and named", "[import][evidence]") {
  const TempDir dir;
  Values ids = rows_from(0);
  Values::value_type& wrong = ids[41 * layers * top_k];
  REQUIRE(wrong == 3);
  wrong = 42;  // the query of step 1 sees 42 positions
  write_file(dir / "r.json", response(ids));
  ImportOptions options = of_eight();
  CHECK(
      import_error(dir, {"r.json"}, options) ==
      "r.json: request 0, step 1, layer 0: id 42 lies outside the context of 42 entries: 1 of 24 selections have such "
      "ids; `skip_bad` leaves these ids out, `ids` physical says that ids are slots");
  options.skip_bad = true;
  CHECK(import(dir, {"r.json"}, options).warnings ==
        std::vector<std::string>{"left out: 1 ids of 1 selections that lie outside their context; the first: r.json: "
                                 "request 0, step 1, layer 0: id 42 lies outside the context of 42 entries"});
  CHECK(TraceReader(dir / "out.dsat").header().ids == IdKind::logical);
  // The id that stood there hit; without it the misses are the same.
  CHECK(counts(dir) == std::pair<std::uint64_t, std::uint64_t>{191, 175});
}

TEST_CASE("ids outside the context of many selections are no damage", "[import][evidence]") {
  const TempDir dir;
  ImportOptions options = with_prompt(100);
  options.skip_bad = true;
  for (const std::int64_t bad : {6, 7}) {  // of 60 selections: one in ten, and more
    Values ids = realistic(100, 30, 8, 2);
    for (std::int64_t i = 0; i < bad; ++i) {
      ids[static_cast<std::size_t>(i) * 8] = 5000 + i;
    }
    write_steps(dir / "a.npy", ids, 30, 8);
    const std::string message = import_error(dir, {"a.npy"}, options);
    CHECK(message == (bad == 6 ? ""
                               : "a.npy: request 0, step 0, layer 0: id 5000 lies outside the context of 101 entries: "
                                 "7 of 60 selections have such ids; `ids` physical says that ids are slots"));
    fs::remove(dir / "out.dsat");
  }
}

TEST_CASE("a prompt of another length shows in where selections end", "[import][evidence]") {
  const TempDir dir;
  const Values ids = realistic(100, 30, 8, 3);
  write_steps(dir / "a.npy", ids, 30, 8);
  CHECK(import(dir, {"a.npy"}, with_prompt(100)).warnings.empty());
  const auto warnings = import(dir, {"a.npy"}, with_prompt(101)).warnings;
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].ends_with(
      " of 60 selections end 1 before the position of their own query, and few at it (97 to 100% do in real "
      "captures); its rows begin 1 earlier than declared (`prompt_start` 100 says so), or its prompt has 100 "
      "tokens (`prompt_len` 100)"));
  CHECK(import(dir, {"a.npy"}, with_prompt(1000)).warnings.at(0).find("(`prompt_len` 100)") != std::string::npos);
  fs::remove(dir / "out.dsat");
  const std::string message = import_error(dir, {"a.npy"}, with_prompt(93));
  CHECK(message.starts_with("a.npy: request 0, step 0, layer 0: id "));
  CHECK(
      message.find(" selections end 7 after the position of their own query: its rows begin 7 later than declared, or "
                   "its prompt has 100 tokens (`prompt_len` 100); `ids` physical") != std::string::npos);
  // Rows that name their steps say the context themselves.
  std::string lines;
  for (std::int64_t step = 0; step < 30; ++step) {
    for (std::int64_t layer = 0; layer < 2; ++layer) {
      const auto at = ids.begin() + (step * 2 + layer) * 8;
      lines += fmt::format(R"({{"request_id": 1, "layer_id": {}, "step_idx": {}, "seq_len_current": {}, )"
                           R"("selected_token_pos": [{}]}})"
                           "\n",
                           layer, step, 102 + step, fmt::join(at, at + 8, ","));
    }
  }
  write_file(dir / "r.jsonl", lines);
  CHECK(import(dir, {"r.jsonl"}).warnings.at(0).ends_with("; its contexts are 1 too large"));
}

TEST_CASE("a real capture contradicts nothing, and shows a wrong prompt", "[import][evidence]") {
  const TempDir dir;
  export_npz(TraceReader("traces/paper128-req_0.dsat"), 0, dir / "r.npz");
  CHECK(import(dir, {"r.npz"}).warnings.empty());
  // As rows that begin one early: with a prompt that is one longer.
  write_zip(dir / "r.npz",
            {{"x.npy", npy("(200, 16, 128)", read_all("npz", dir / "r.npz").ids)}, {"prompt_len.npy", scalar(1025)}});
  CHECK(
      import(dir, {"r.npz"})
          .warnings.at(0)
          .find(
              " of 3200 selections end 1 before the position of their own query, and few at it (97 to 100% do in real "
              "captures); its rows begin 1 earlier than declared (`prompt_start` 1024 says so)") != std::string::npos);
  ImportOptions options;
  options.prompt_start = PromptStart{.from = PromptStart::From::begin, .tokens = 1024};
  CHECK(import(dir, {"r.npz"}, options).warnings.empty());
}

TEST_CASE("few selections and those of everything are no evidence", "[import][evidence]") {
  RequestEvidence evidence;
  for (int i = 0; i < 100; ++i) {
    evidence.add(9, 10, 10);  // all of its context
  }
  CHECK(evidence.telling() == 0);
  CHECK(evidence.unit() == 1);
  for (int i = 0; i < 31; ++i) {
    evidence.add(98, 8, 100);
  }
  CHECK_FALSE(evidence.shift().has_value());
  evidence.add(98, 8, 100);
  CHECK(evidence.shift() == -1);
  // 8 more of 40 that end elsewhere leave 80%; a ninth does not.
  for (int i = 0; i < 8; ++i) {
    evidence.add(50, 8, 100);
  }
  CHECK(evidence.shift() == -1);
  evidence.add(50, 8, 100);
  CHECK_FALSE(evidence.shift().has_value());
}

TEST_CASE("selections at random are no evidence", "[import][evidence]") {
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    RequestEvidence evidence;
    for (std::uint64_t context = 100; context < 200; ++context) {
      std::uint64_t largest = 0;
      for (int id = 0; id < 8; ++id) {
        largest = std::max<std::uint64_t>(largest, random() % context);
      }
      evidence.add(largest, 8, context);
    }
    CHECK_FALSE(evidence.shift().has_value());
    CHECK(evidence.unit() == 1);
  }
}

TEST_CASE("ids of several tokens are noticed unless somebody said what they are", "[import][evidence]") {
  const TempDir dir;
  const Values tokens = realistic(400, 40, 8, 4);
  Values entries;
  for (std::size_t row = 0; row < tokens.size(); row += 8) {
    Values ids;
    for (std::size_t i = row; i < row + 8; ++i) {
      const auto whole = static_cast<std::int64_t>((400 + row / 16 + 1) / 4);
      ids.push_back(std::min(tokens[i] / 4, whole - 1));
    }
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    ids.resize(8, -1);
    entries.insert(entries.end(), ids.begin(), ids.end());
  }
  write_steps(dir / "a.npy", entries, 40, 8);
  ImportOptions options = with_prompt(400);
  CHECK(import_error(dir, {"a.npy"}, options) ==
        "a.npy: none of its 80 selections names an entry beyond 1/4 of its context, as if an id stood for 4 tokens or "
        "the prompt was shorter; give `unit_tokens` 4, or `unit_tokens` 1 if ids are single tokens");
  for (const std::uint32_t unit : {1U, 4U}) {
    options.unit_tokens = unit;
    CHECK(import(dir, {"a.npy"}, options).warnings.empty());
  }
  options.unit_tokens.reset();
  options.model = "deepseek-v4-flash";  // two of its 21 layers
  options.layer_map = "0,1";
  CHECK(import(dir, {"a.npy"}, options).warnings.empty());
}

TEST_CASE("a request that is there twice is told", "[import][evidence]") {
  const TempDir dir;
  const Values ids = decode_rows_of_nine();
  const auto write = [&](std::string_view name, const Values& rows) {
    write_zip(dir / name, {{"topk_indices.npy", npy("(8, 3, 8)", rows)}, {"prompt_len.npy", scalar(40)}});
  };
  write("rank0.npz", ids);
  Values other = ids;
  other[24] = 2;  // of 192 ids one, as ranks differ where scores are alike
  std::reverse(other.begin(), other.begin() + 8);
  write("rank1.npz", other);
  CHECK(import(dir, {"rank0.npz", "rank1.npz"}).warnings ==
        std::vector<std::string>{
            "rank1.npz selects what rank0.npz does, in 8 of 8 selections that were compared; if they are ranks of one "
            "server that log the same request, import one of them: each adds its accesses"});
  // Of the 8 selections that are compared 6 are enough, 5 are not.
  const auto with_different = [&](int steps) {
    Values changed = ids;
    for (int step = 0; step < steps; ++step) {
      const std::int64_t layer = step % layers;
      const auto row = changed.begin() + (step * layers + layer) * top_k;
      *std::max_element(row, row + top_k) = 35;
    }
    write("rank1.npz", changed);
    return import(dir, {"rank0.npz", "rank1.npz"}).warnings.size();
  };
  CHECK(with_different(2) == 1);
  CHECK(with_different(3) == 0);
  // Requests of short contexts select the same, everything.
  write_steps(dir / "a.npy", realistic(2, 20, 100, 5), 20, 100);
  write_steps(dir / "b.npy", realistic(2, 20, 100, 6), 20, 100);
  CHECK(import(dir, {"a.npy", "b.npy"}, with_prompt(2)).warnings.empty());
}

TEST_CASE("what is in a file and not read is told", "[import][evidence]") {
  const TempDir dir;
  const Values ids = decode_rows_of_nine();
  write_zip(dir / "a.npz", {{"topk_indices.npy", npy("(8, 3, 8)", ids)},
                            {"prompt_len.npy", scalar(40)},
                            {"heads.npy", scalar(1)},
                            {"notes.txt", "by hand"}});
  CHECK(import(dir, {"a.npz"}).warnings == std::vector<std::string>{"a.npz: heads.npy, notes.txt are not read"});
  write_file(dir / "r.json", response(rows_from(0), R"(, "indexer_topk_hash": 7, "cached_tokens": 3)"));
  CHECK(import(dir, {"r.json"}, of_eight()).warnings ==
        std::vector<std::string>{"r.json: meta_info.indexer_topk_hash is not read"});
  write_file(dir / "r.jsonl", R"({"request_id": 1, "layer_id": 0, "step_idx": 0, "seq_len_current": 3, "rank": 0, )"
                              R"("selected_token_pos": [1], "meta": {"a": [1]}})");
  CHECK(import(dir, {"r.jsonl"}).warnings == std::vector<std::string>{"r.jsonl: meta, rank are not read"});
  write_file(dir / "r.csv", ",request,step,layer,id,rank\n0,a,0,0,1,3\n");
  CHECK(import(dir, {"r.csv"}, with_prompt(5)).warnings == std::vector<std::string>{"r.csv: rank is not read"});
}

TEST_CASE("requests that cannot be used are left out if that is asked for", "[import][evidence]") {
  const TempDir dir;
  const std::string good = response(rows_from(0));
  const std::string aborted =
      R"({"meta_info": {"prompt_tokens": 40, "completion_tokens": 0, "finish_reason": {"type": "abort"}}})";
  const std::string one_token = sglang_response(Values(20 * 24, 1), R"(, "prompt_tokens": 20, "completion_tokens": 1)");
  const std::string empty = sglang_response({}, R"(, "prompt_tokens": 20, "completion_tokens": 5)");
  const auto [bad, message] = GENERATE_COPY(table<std::string, std::string>({
      {aborted, "response 1 was aborted and has no meta_info.indexer_topk"},
      {empty, "response 1 has an empty meta_info.indexer_topk"},
      {one_token, "response 1, meta_info.indexer_topk: has 20 rows for 20 prompt tokens, and no decode steps"},
  }));
  ImportOptions options = of_eight();
  options.layers = 3;
  write_file(dir / "r.json", fmt::format("[{}, {}, {}]", good, bad, good));
  CHECK(import_error(dir, {"r.json"}, options)
            .ends_with(message + "; `skip_bad` leaves out requests that cannot be used"));
  options.skip_bad = true;
  const ImportedIds ids = import(dir, {"r.json"}, options);
  REQUIRE(ids.warnings.size() == 3);
  CHECK(ids.warnings[0] == "r.json: 1 of 3 requests are left out:");
  CHECK(ids.warnings[1].ends_with(message));
  CHECK(ids.warnings[2].starts_with("r.json: request 1 selects what r.json: request 0 does"));
  CHECK(TraceReader(dir / "out.dsat").request_count() == 2);
  CHECK(counts(dir).first == 384);
  fs::remove(dir / "out.dsat");
  write_file(dir / "r.json", fmt::format("[{}, {}]", bad, bad));
  CHECK(import_error(dir, {"r.json"}, options)
            .starts_with("import: none of 1 inputs can be used; the first is left "
                         "out: r.json: none of its 2 requests can be used; "));
}

TEST_CASE("inputs that cannot be used are left out if that is asked for", "[import][evidence]") {
  const TempDir dir;
  write_file(dir / "good.npy", npy("(8, 3, 8)", decode_rows_of_nine()));
  write_file(dir / "bad.npy", npy("(0, 3, 8)", {}));
  ImportOptions options = with_prompt(40);
  CHECK(import_error(dir, {"bad.npy", "good.npy"}, options) == "bad.npy: shape (0, 3, 8) has no decode steps");
  options.skip_bad = true;
  CHECK(import(dir, {"bad.npy", "good.npy"}, options).warnings ==
        std::vector<std::string>{"left out: bad.npy: shape (0, 3, 8) has no decode steps"});
  CHECK(counts(dir) == right);
}
