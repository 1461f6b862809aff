#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

/// The message of opening an archive of these members.
std::string message_of(const Members& members, const ImportOptions& options = {}) {
  const TempDir dir;
  write_zip(dir / "r.npz", members);
  return error_of(dir, [&] { captures::open("npz", dir / "r.npz", options); });
}

/// Rows 0 .. rows - 1 of one layer and two ids: 0 1, 2 3, ...
std::string pairs(std::size_t rows) {
  return npy(fmt::format("({}, 1, 2)", rows), iota(2 * rows));
}

}  // namespace

TEST_CASE("topk_indices is read with its scalars", "[import][npz]") {
  const Zip method = GENERATE(Zip::stored, Zip::deflated);
  const TempDir dir;
  write_zip(dir / "req_0.npz",
            {{"topk_indices.npy", npy("(2, 3, 4)", iota(24))},
             {"prompt_len.npy", scalar(100)},
             {"output_len.npy", scalar(2)},
             {"slot_ctx0.npy", scalar(100)},
             {"notes.txt", "not an array"}},
            method);
  const Contents contents = read_all("npz", dir / "req_0.npz");
  CHECK(contents.shape == CaptureShape{.steps = 2, .layers = 3, .top_k = 4, .prompt_tokens = 100, .has_scores = false});
  CHECK(contents.ids == iota(24));
}

TEST_CASE("scores are read beside the ids", "[import][npz]") {
  // Larger than a reader's buffer, so that the two members of the archive are read in turns.
  const Zip method = GENERATE(Zip::stored, Zip::deflated);
  const std::size_t count = std::size_t{40} * 3 * 5000;
  Values bits = iota(count);
  for (std::int64_t& value : bits) {
    value &= 0x7bff;
  }
  const TempDir dir;
  write_zip(
      dir / "r.npz",
      {{"topk_indices.npy", npy("(40, 3, 5000)", iota(count))}, {"topk_scores.npy", halves("(40, 3, 5000)", bits)}},
      method);
  const Contents contents = read_all("npz", dir / "r.npz");
  CHECK(contents.shape.has_scores);
  CHECK((contents.ids == iota(count)));
  CHECK((Values(contents.scores.begin(), contents.scores.end()) == bits));
}

TEST_CASE("big-endian and Fortran-ordered scores are read", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", npy("(1, 2, 2)", iota(4))},
                            {"topk_scores.npy", npy_around(dictionary(">f2", "(1, 2, 2)", true),
                                                           integers({0x3c00, 0x4000, 0x3c01, 0x4001}, 2, true))}});
  CHECK(read_all("npz", dir / "r.npz").scores == std::vector<std::uint16_t>{0x3c00, 0x3c01, 0x4000, 0x4001});
}

TEST_CASE("indexer_topk_flat is shaped by num_layers and index_topk", "[import][npz]") {
  const auto shape = GENERATE(values<std::string>({"(24,)", "(4, 6)", "(4, 2, 3)"}));
  const TempDir dir;
  write_zip(dir / "r.npz", {{"indexer_topk_flat.npy", npy(shape, iota(24))},
                            {"num_layers.npy", npy("(1,)", {2})},
                            {"index_topk.npy", scalar(3)},
                            {"output_len.npy", scalar(4)}});
  const Contents contents = read_all("npz", dir / "r.npz");
  CHECK(contents.shape ==
        CaptureShape{.steps = 4, .layers = 2, .top_k = 3, .prompt_tokens = std::nullopt, .has_scores = false});
  CHECK(contents.ids == iota(24));
}

TEST_CASE("topk_index holds the prompt's rows or only the decode steps'", "[import][npz]") {
  // Prompt, completion, rows, and the row that is step 0.
  const auto [prompt, completion, rows, first] = GENERATE(table<int, int, int, int>({
      {5, 4, 8, 5},  // queries 0 .. 7; 5, 6 and 7 are decode steps
      {5, 4, 4, 0},
      {5, 4, 3, 0},  // the last token is never asked with
      {1, 4, 4, 1},  // either form; the stack's own
      {0, 4, 3, 0},
  }));
  CAPTURE(prompt, completion, rows);
  const bool told = GENERATE(true, false);
  const TempDir dir;
  Members members{{"topk_index.npy", pairs(static_cast<std::size_t>(rows))},
                  {"completion_tokens.npy", scalar(completion)}};
  ImportOptions options;
  if (told) {
    members.emplace_back("prompt_tokens.npy", scalar(prompt));
  } else {
    options.prompt_tokens = static_cast<std::uint64_t>(prompt);
  }
  write_zip(dir / "r.npz", members);
  const Contents contents = read_all("npz", dir / "r.npz", options);
  CHECK(contents.shape.steps == static_cast<std::uint64_t>(rows - first));
  CHECK(contents.shape.prompt_tokens ==
        (told ? options.prompt_tokens.emplace(static_cast<std::uint64_t>(prompt)) : std::optional<std::uint64_t>()));
  CHECK(contents.ids.front() == 2 * first);
  CHECK(contents.ids.back() == 2 * rows - 1);
}

TEST_CASE("an archive may say where its rows begin, and how many tokens came of them", "[import][npz]") {
  const TempDir dir;
  const auto first = [&](Members members) {
    members.emplace_back("prompt_tokens.npy", scalar(5));
    write_zip(dir / "r.npz", members);
    const Contents contents = read_all("npz", dir / "r.npz");
    CHECK(contents.shape.steps == 3);
    return contents.ids.front() / 2;
  };
  const auto completion = std::pair{"completion_tokens.npy", scalar(4)};
  CHECK(first({{"topk_index.npy", pairs(6)}, completion, {"start.npy", scalar(2)}}) == 3);
  CHECK(first({{"x.npy", pairs(8)}, completion, {"output_len.npy", scalar(4)}}) == 5);
  CHECK(first({{"topk_indices.npy", pairs(8)}, completion, {"output_len.npy", scalar(3)}}) == 5);
  CHECK(first({{"topk_indices.npy", pairs(3)}, completion}) == 0);
  CHECK(first({{"topk_indices.npy", pairs(4)}, {"start.npy", scalar(4)}}) == 1);
}

TEST_CASE("scores of the prompt's rows are skipped with them", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_index.npy", pairs(4)},
                            {"topk_scores.npy", halves("(4, 1, 2)", iota(8))},
                            {"prompt_tokens.npy", scalar(3)},
                            {"completion_tokens.npy", scalar(2)}});
  const Contents contents = read_all("npz", dir / "r.npz");
  CHECK(contents.ids == Values{6, 7});
  CHECK(contents.scores == std::vector<std::uint16_t>{6, 7});
}

TEST_CASE("one array under any name will do", "[import][npz]") {
  const TempDir dir;
  ImportOptions options;
  write_zip(dir / "r.npz", {{"arr_0.npy", npy("(2, 1, 2)", iota(4))}});
  CHECK(read_all("npz", dir / "r.npz").ids == iota(4));
  // Two dimensions are passed over where three are to be had.
  write_zip(
      dir / "r.npz",
      {{"a.npy", npy("(2, 2)", iota(4))}, {"selected.npy", npy("(1, 1, 3)", iota(3))}, {"prompt_len.npy", scalar(9)}});
  CHECK(read_all("npz", dir / "r.npz").ids == iota(3));
  CHECK(captures::open("npz", dir / "r.npz")->requests().front().prompt_tokens == 9U);
  options.layers = 2;
  write_zip(dir / "r.npz", {{"a.npy", npy("(2, 4)", iota(8))}, {"prompt_len.npy", scalar(9)}});
  CHECK(captures::open("npz", dir / "r.npz", options)->requests().front().top_k == 2);
}

TEST_CASE("slot_ctx0 counts tokens or entries", "[import][npz]") {
  const auto open = [](std::optional<int> prompt, int slot_ctx0, std::uint32_t unit, std::optional<int> told) {
    const TempDir dir;
    Members members{{"topk_indices.npy", pairs(2)}, {"slot_ctx0.npy", scalar(slot_ctx0)}};
    if (prompt) {
      members.emplace_back("prompt_len.npy", scalar(*prompt));
    }
    write_zip(dir / "r.npz", members);
    ImportOptions options;
    options.unit_tokens = unit;
    if (told) {
      options.prompt_tokens = static_cast<std::uint64_t>(*told);
    }
    std::string out;
    const std::string error = error_of(dir, [&] {
      const auto found = captures::open("npz", dir / "r.npz", options)->requests().front().prompt_tokens;
      out = found ? std::to_string(*found) : "unknown";
    });
    return error.empty() ? out : error;
  };
  CHECK(open(std::nullopt, 100, 1, std::nullopt) == "100");
  CHECK(open(103, 103, 1, std::nullopt) == "103");
  CHECK(open(103, 103, 4, std::nullopt) == "103");
  CHECK(open(103, 25, 4, std::nullopt) == "103");
  CHECK(open(std::nullopt, 25, 4, 103) == "unknown");  // import_captures takes --prompt-len
  CHECK(open(103, 25, 1, std::nullopt) == "r.npz: slot_ctx0 is 25, prompt_len is 103");
  CHECK(open(std::nullopt, 26, 4, 103) == "r.npz: slot_ctx0 is 26, `prompt_len` is 103");
  CHECK(open(std::nullopt, 25, 4, std::nullopt) ==
        "r.npz: has no prompt_len; slot_ctx0 is 25, which may count tokens or entries of 4: give `prompt_len`");
}

TEST_CASE("slot_ctx0 counts entries of as many tokens as the archive says", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", pairs(2)},
                            {"prompt_len.npy", scalar(103)},
                            {"slot_ctx0.npy", scalar(25)},
                            {"unit_tokens.npy", scalar(4)}});
  CHECK(read_all("npz", dir / "r.npz").shape.prompt_tokens == 103U);
}

TEST_CASE("an archive can say what a trace's header says", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", npy("(1, 3, 2)", iota(6))},
                            {"prompt_len.npy", scalar(40)},
                            {"model_layers.npy", npy("(3,)", {0, 1, 5})},
                            {"group_sizes.npy", npy("(3,)", {1, 4, 2})},
                            {"start_step.npy", scalar(7)},
                            {"unit_tokens.npy", scalar(4)},
                            {"page_tokens.npy", scalar(64)},
                            {"entry_bytes.npy", scalar(584)},
                            {"ids_are_slots.npy", scalar(1)}});
  const CaptureShape shape = read_all("npz", dir / "r.npz").shape;
  CHECK(shape.start_step == 7);
  CHECK(shape.layer_infos == std::vector<LayerInfo>{{.model_layer = 0, .group_size = 1},
                                                    {.model_layer = 1, .group_size = 4},
                                                    {.model_layer = 5, .group_size = 2}});
  CHECK(shape.entries ==
        CaptureEntries{.kind = IdKind::physical, .unit_tokens = 4, .page_tokens = 64, .entry_bytes = 584});

  const std::vector<std::filesystem::path> inputs{dir / "r.npz"};
  const auto imported = [&](const ImportOptions& options) {
    import_captures(inputs, dir / "o.dsat", options);
    return TraceReader(dir / "o.dsat").header();
  };
  const TraceHeader header = imported({});
  CHECK(header.ids == IdKind::physical);
  CHECK(header.unit_tokens == 4);
  CHECK(header.requests.front().start_step == 7);
  ImportOptions options;
  options.ids = IdClaim::logical;
  CHECK(imported(options).ids == IdKind::logical);
  options.unit_tokens = 2;
  CHECK(error_of(dir, [&] { imported(options); }) == "r.npz: its unit of an id in tokens is 4, `unit_tokens` says 2");
  options.unit_tokens = std::nullopt;
  options.model = "deepseek-v3.2";  // 61 layers, all of which own an index
  CHECK(error_of(dir, [&] { imported(options); }) == "r.npz: has 3 layers, `model` has 61, of which 61 own an index");
}

TEST_CASE("requests of a batch say the same of their ids", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "a.npz",
            {{"topk_indices.npy", pairs(2)}, {"prompt_len.npy", scalar(9)}, {"unit_tokens.npy", scalar(1)}});
  write_zip(dir / "b.npz",
            {{"topk_indices.npy", pairs(2)}, {"prompt_len.npy", scalar(9)}, {"unit_tokens.npy", scalar(4)}});
  const std::vector<std::filesystem::path> inputs{dir / "a.npz", dir / "b.npz"};
  CHECK(error_of(dir, [&] { import_captures(inputs, dir / "o.dsat", {}); }) ==
        "b.npz: and one before it differ in the unit of an id in tokens; a batch has one model");
  // What one of them says holds for all.
  write_zip(dir / "a.npz", {{"topk_indices.npy", pairs(2)}, {"prompt_len.npy", scalar(20)}});
  write_zip(dir / "b.npz",
            {{"topk_indices.npy", pairs(2)}, {"prompt_len.npy", scalar(20)}, {"unit_tokens.npy", scalar(4)}});
  import_captures(inputs, dir / "o.dsat", {});
  CHECK(TraceReader(dir / "o.dsat").header().unit_tokens == 4);
}

TEST_CASE("an archive that disagrees with itself names the numbers", "[import][npz]") {
  const std::string ids = npy("(3, 2, 2)", iota(12));
  const auto [members, message] = GENERATE_COPY(table<Members, std::string>({
      {{{"topk_indices.npy", npy("(1024, 1, 1)", iota(1024))}, {"output_len.npy", scalar(1000)}},
       "output_len is 1000 but topk_indices has 1024 steps"},
      {{{"topk_indices.npy", npy("(10, 16, 512)", iota(850))}},
       "topk_indices: holds 3400 bytes of data, shape (10, 16, 512) of int32 needs 327680"},
      {{{"topk_indices.npy", ids}, {"topk_index.npy", ids}},
       "has topk_indices and topk_index; expected one array of ids"},
      {{{"topk_indices.npy", ids}, {"num_layers.npy", scalar(3)}},
       "topk_indices: shape (3, 2, 2) has 2 layers, num_layers says 3"},
      {{{"indexer_topk_flat.npy", npy("(12,)", iota(12))}, {"num_layers.npy", scalar(2)}},
       "indexer_topk_flat: shape (12,) has 1 dimension, expected (steps, layers, top-k); to split it, give `layers` "
       "and "
       "`top_k`"},
      {{{"indexer_topk_flat.npy", npy("(12,)", iota(12))},
        {"num_layers.npy", scalar(0)},
        {"index_topk.npy", scalar(2)}},
       "indexer_topk_flat: num_layers says 0, expected 1 to 16777216"},
      {{{"indexer_topk_flat.npy", npy("(12,)", iota(12))},
        {"num_layers.npy", scalar(5)},
        {"index_topk.npy", scalar(2)}},
       "indexer_topk_flat: shape (12,) is no multiple of 5 layers (num_layers) x 2 ids (index_topk)"},
      {{{"topk_indices.npy", ids}, {"group_sizes.npy", npy("(3,)", {1, 1, 1})}},
       "group_sizes: shape (3,) has 3 elements, expected one for each of 2 layers"},
      {{{"topk_indices.npy", ids}, {"group_sizes.npy", npy("(2,)", {1, 0})}},
       "group_sizes: has 0, expected numbers from 1 to 65536"},
      {{{"topk_indices.npy", ids}, {"model_layers.npy", npy("(2,)", {4, 3})}},
       "model_layers has 3 after 4, expected ascending numbers"},
      {{{"topk_indices.npy", ids}, {"unit_tokens.npy", scalar(0)}},
       "unit_tokens is 0, expected a number from 1 to 1024"},
      {{{"topk_indices.npy", ids}, {"ids_are_slots.npy", scalar(2)}},
       "ids_are_slots is 2, expected a number from 0 to 1"},
      {{{"topk_indices.npy", ids}, {"prompt_len.npy", scalar(-3)}}, "prompt_len: is -3, expected 0 or more"},
      {{{"topk_indices.npy", ids}, {"prompt_len.npy", npy("(2,)", {1, 2})}},
       "prompt_len: shape (2,) has 2 elements, expected one number"},
      {{{"topk_indices.npy", ids}, {"prompt_len.npy", npy_around(dictionary("<f8", "()"), std::string(8, '\0'))}},
       "prompt_len: dtype is float64, expected int8 to int64 or uint8 to uint64"},
      {{{"topk_indices.npy", ids}, {"prompt_len.npy", scalar(3)}, {"prompt_tokens.npy", scalar(4)}},
       "prompt_len is 3, prompt_tokens is 4"},
      {{{"topk_indices.npy", ids},
        {"topk_scores.npy", npy_around(dictionary("<f4", "(3, 2, 2)"), std::string(48, '\0'))}},
       "topk_scores: dtype is float32, expected float16"},
      {{{"topk_indices.npy", ids}, {"topk_scores.npy", halves("(3, 4)", iota(12))}},
       "topk_scores: shape (3, 4) differs from that of the ids, (3, 2, 2)"},
      {{{"topk_index.npy", pairs(4)}}, "has topk_index but no completion_tokens, which tells its decode rows"},
      {{{"topk_index.npy", pairs(4)}, {"completion_tokens.npy", scalar(4)}},
       "has topk_index but no prompt_tokens; give `prompt_len`"},
      {{{"topk_index.npy", pairs(6)}, {"completion_tokens.npy", scalar(4)}, {"prompt_tokens.npy", scalar(5)}},
       "topk_index: shape (6, 1, 2) has 6 rows; 5 prompt and 4 completion tokens make 8; if the rows of a cached "
       "prefix "
       "are missing, `prompt_start` 2 says it"},
      {{{"topk_index.npy", pairs(8)},
        {"completion_tokens.npy", scalar(4)},
        {"prompt_tokens.npy", scalar(5)},
        {"output_len.npy", scalar(5)}},
       "output_len is 5 but topk_index has 3 steps"},
      {{{"topk_indices.npy", ids}, {"prompt_len.npy", scalar(20)}, {"completion_tokens.npy", scalar(9)}},
       "topk_indices: shape (3, 2, 2) has 3 rows; 20 prompt and 9 completion tokens make 28"},
      {{{"topk_indices.npy", ids}, {"start.npy", scalar(1)}},
       "topk_indices: its rows begin at position 1, the length of its prompt is not known; give `prompt_len`"},
      {{{"topk_index.npy", pairs(5)}, {"completion_tokens.npy", scalar(1)}, {"prompt_tokens.npy", scalar(5)}},
       "topk_index: shape (5, 1, 2) has no decode steps"},
      {{{"a.npy", ids}, {"b.npy", ids}},
       "has no array named topk_indices, indexer_topk_flat, topk_index, and 2 of three dimensions; expected one: a (3, "
       "2, 2), b (3, 2, 2)"},
      {{{"prompt_len.npy", scalar(3)}},
       "has no array named topk_indices, indexer_topk_flat, topk_index, and 0 others; expected one: prompt_len ()"},
      {{{"readme.txt", "hello"}}, "has 1 members, none of them an array"},
      {{{"topk_indices.npy", "no array"}}, "topk_indices: holds 8 bytes, too few for an .npy header"},
      {{{"topk_indices.npy", "no array at all"}},
       "topk_indices: starts with \"no array\", expected an .npy array (\"\\x93NUMPY\")"},
  }));
  CHECK(message_of(members) == "r.npz: " + message);
}

TEST_CASE("the options check what an archive says", "[import][npz]") {
  ImportOptions options;
  options.layers = 8;
  CHECK(message_of({{"topk_indices.npy", npy("(2, 16, 1)", iota(32))}}, options) ==
        "r.npz: topk_indices: shape (2, 16, 1) has 16 layers, `layers` says 8");
  CHECK(message_of({{"indexer_topk_flat.npy", npy("(12,)", iota(12))},
                    {"num_layers.npy", scalar(2)},
                    {"index_topk.npy", scalar(2)}},
                   options) == "r.npz: indexer_topk_flat: num_layers says 2, `layers` says 8");
}

TEST_CASE("a file that is no zip archive says what it is", "[import][npz]") {
  const TempDir dir;
  const auto message = [&](std::string_view bytes) {
    write_file(dir / "r.npz", bytes);
    return error_of(dir, [&] { captures::open("npz", dir / "r.npz"); });
  };
  CHECK(message("") == "r.npz: is empty, expected a zip file (\"PK\\x03\\x04\")");
  CHECK(message(npy("(1, 1, 1)", {0})) ==
        "r.npz: starts with \"\\x93NUMPY\\x01\\x00\", expected a zip file (\"PK\\x03\\x04\")");
  CHECK(message("PK\x03\x04 and nothing else").starts_with("r.npz: is no intact zip archive, or is cut off: "));
}

TEST_CASE("encrypted members are refused", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", npy("(1, 1, 1)", {0})}}, Zip::deflated, "secret");
  CHECK(error_of(dir, [&] { captures::open("npz", dir / "r.npz"); }) == "r.npz: topk_indices: is encrypted");
}

TEST_CASE("two members of one name are refused", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", pairs(1)}, {"topk_indicez.npy", pairs(2)}}, Zip::stored);
  std::string bytes = read_file(dir / "r.npz");
  for (std::size_t at = bytes.find("indicez"); at != std::string::npos; at = bytes.find("indicez")) {
    bytes[at + 6] = 's';
  }
  write_file(dir / "r.npz", bytes);
  CHECK(error_of(dir, [&] { captures::open("npz", dir / "r.npz"); }) ==
        "r.npz: has two members named topk_indices.npy");
}

TEST_CASE("sizes that the compressed bytes cannot have are refused before anything is allocated", "[import][npz]") {
  // The claim stands in the directory (offset 24 of its record) and in the array's own header.
  const Zip method = GENERATE(Zip::stored, Zip::deflated);
  const std::string array = npy_around(dictionary("|i1", "(1000000, 16, 64)", true), "");
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", array}}, method);
  std::string bytes = read_file(dir / "r.npz");
  const std::size_t record = bytes.find("PK\x01\x02");
  REQUIRE(record != std::string::npos);
  bytes.replace(record + 24, 4, integers({static_cast<std::int64_t>(array.size()) + 1024000000}, 4));
  write_file(dir / "r.npz", bytes);
  const std::string message = error_of(dir, [&] { read_all("npz", dir / "r.npz"); });
  CHECK(message.starts_with("r.npz: topk_indices: claims 1024000128 bytes in "));
  CHECK(message.ends_with(method == Zip::stored ? " stored ones, which is impossible"
                                                : " deflated ones, which is impossible"));
}

TEST_CASE("a directory that claims too few or too many bytes is noticed", "[import][npz]") {
  const int difference = GENERATE(-4, 4);
  const TempDir dir;
  const std::string array = npy(difference < 0 ? "(1, 1, 4)" : "(1, 1, 6)", iota(5));  // the shape joins in the lie
  write_zip(dir / "r.npz", {{"topk_indices.npy", array}});
  std::string bytes = read_file(dir / "r.npz");
  const std::size_t record = bytes.find("PK\x01\x02");
  bytes.replace(record + 24, 4, integers({static_cast<std::int64_t>(array.size()) + difference}, 4));
  write_file(dir / "r.npz", bytes);
  CHECK_THROWS_AS(read_all("npz", dir / "r.npz"), TraceError);
}

TEST_CASE("a changed id is found by the archive's checksum", "[import][npz]") {
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", pairs(1000)}}, Zip::stored);
  std::string bytes = read_file(dir / "r.npz");
  bytes[4000] = static_cast<char>(bytes[4000] ^ 1);
  write_file(dir / "r.npz", bytes);
  CHECK(error_of(dir, [&] { read_all("npz", dir / "r.npz"); }) ==
        "r.npz: topk_indices: damaged after 8128 of 8128 bytes: CRC error");
}

TEST_CASE("an .npz cut off anywhere is an error", "[import][npz]") {
  const Zip method = GENERATE(Zip::stored, Zip::deflated);
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", pairs(3)}, {"prompt_len.npy", scalar(3)}}, method);
  const std::string whole = read_file(dir / "r.npz");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    write_file(dir / "r.npz", whole.substr(0, size));
    CHECK_THROWS_AS(read_all("npz", dir / "r.npz"), Error);
  }
}

TEST_CASE("an .npz with any byte changed is an error or the same ids", "[import][npz]") {
  const Zip method = GENERATE(Zip::stored, Zip::deflated);
  const TempDir dir;
  write_zip(dir / "r.npz", {{"topk_indices.npy", pairs(3)}, {"prompt_len.npy", scalar(3)}}, method);
  const std::string whole = read_file(dir / "r.npz");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x04, 0x20, 0x80, 0xff}) {
      CAPTURE(at, flip);
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      write_file(dir / "r.npz", damaged);
      try {
        const Contents contents = read_all("npz", dir / "r.npz");
        CHECK(contents.ids == iota(6));
      } catch (const Error& error) {
        CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
      }
    }
  }
}
