// JSON lines of a port of Qwen's sparse attention: a row for each query and layer, whose request has no name.

#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

std::string row(int rank, const char* mode, int layer, int position, const char* blocks, int unit = 4) {
  return fmt::format(
      "{{\"rank\": {}, \"forward_mode\": \"{}\", \"cuda_graph\": true, \"layer_id\": {}, \"position\": {}, "
      "\"compressed_length\": {}, \"block_indices\": [{}]}}\n",
      rank, mode, layer, position, (position + 1) / unit, blocks);
}

/// A prompt of 18 tokens, its last row, and three steps of layers 3 and 7: blocks of 4 tokens.
std::string capture() {
  return row(0, "EXTEND", 3, 17, "0, 1") + row(0, "EXTEND", 7, 17, "0, 1") +  //
         row(0, "DECODE", 3, 18, "0, 3, -1") + row(0, "DECODE", 7, 18, "1, 2, 0") + row(0, "DECODE", 3, 19, "4, 3, 1") +
         row(0, "DECODE", 7, 19, "1, -1, -1") + row(0, "DECODE", 3, 20, "4, 0, 1") + row(0, "DECODE", 7, 20, "2, 3, 4");
}

std::string error(const std::string& text) {
  const TempDir dir;
  write_file(dir / "r.jsonl", text);
  return error_of(dir, [&] { read_requests(*captures::open("qsa", dir / "r.jsonl")); });
}

}  // namespace

TEST_CASE("rows of positions are the steps of a request", "[import][qsa]") {
  const TempDir dir;
  write_file(dir / "r.jsonl", capture());
  const Contents contents = read_all("qsa", dir / "r.jsonl");
  CHECK(contents.ids == Values{0, 3, -1, 1, 2, 0, 4, 3, 1, 1, -1, -1, 4, 0, 1, 2, 3, 4});
  CHECK(contents.shape.prompt_tokens == 18U);
  CHECK(contents.shape.start_step == 0);
  CHECK(contents.shape.entries.unit_tokens == 4U);
  const std::vector<std::filesystem::path> inputs{dir / "r.jsonl"};
  import_captures(inputs, dir / "out.dsat", {});
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().unit_tokens == 4);
  CHECK(trace.header().layers ==
        std::vector<LayerInfo>{{.model_layer = 3, .group_size = 1}, {.model_layer = 7, .group_size = 1}});
  CHECK(trace.accesses() == 15);
  CHECK(trace.header().provenance == "qsa: r.jsonl");
}

TEST_CASE("requests are told by their positions, and ranks apart", "[import][qsa]") {
  const TempDir dir;
  std::string text;
  for (int position = 20; position < 23; ++position) {
    text += row(0, "ForwardMode.DECODE", 3, position, "0") + row(1, "ForwardMode.DECODE", 3, position, "1");
  }
  text += row(0, "decode", 3, 40, "2");
  write_file(dir / "r.jsonl", text);
  const std::vector<Contents> requests = read_requests(*captures::open("qsa", dir / "r.jsonl"));
  REQUIRE(requests.size() == 3);
  CHECK(requests[0].ids == Values{0, 0, 0});
  CHECK(requests[1].ids == Values{1, 1, 1});
  CHECK(requests[2].ids == Values{2});
  CHECK(requests[2].shape.prompt_tokens == 40U);
  // Contexts of fewer blocks than a block has tokens do not say the unit.
  write_file(dir / "r.jsonl", row(0, "decode", 3, 6, "0"));
  CHECK_FALSE(read_all("qsa", dir / "r.jsonl").shape.entries.unit_tokens.has_value());
}

TEST_CASE("rows that are no steps say why", "[import][qsa]") {
  CHECK(error(row(0, "TARGET_VERIFY", 3, 20, "0"))
            .ends_with("forward_mode is target_verify: several queries a step, and no field says how many of them are "
                       "accepted"));
  CHECK(error(row(0, "EXTEND", 3, 20, "0")) == "r.jsonl: holds no selection");
  CHECK(error(row(0, "decode", 3, 20, "0") + row(0, "decode", 3, 21, "0", 8))
            .ends_with("a position of 21 has 2 blocks (compressed_length): with the rows before, no number of tokens "
                       "for a block fits"));
  std::string text = row(0, "decode", 3, 20, "0");
  text.replace(text.find("position"), 8, "place_of");
  CHECK(error(text).ends_with("the object that ends here has no position"));
  CHECK(error(row(0, "decode", 3, 20, "0") + row(0, "decode", 3, 20, "0")).find("expected one for each step") !=
        std::string::npos);
  CHECK(error(row(0, "decode", 3, 20, "0") + row(0, "decode", 7, 20, "0") + row(0, "decode", 3, 21, "0"))
            .find("has 1 rows of layer 7, expected one for each step from 0 to 1") != std::string::npos);
  CHECK(error(row(0, "decode", 3, -1, "0")).find("position is -1, expected a whole number from 0") !=
        std::string::npos);
  CHECK(error(R"({"position": 1, "position": 2, "block_indices": []})").ends_with("position is there twice"));
}

TEST_CASE("damaged rows are read or refused, never more", "[import][qsa]") {
  const TempDir dir;
  const std::string good = capture();
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned flip : {1U, 0x80U}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
      write_file(dir / "r", bytes);
      CHECK(is_read_or_refused("qsa", dir / "r"));
    }
  }
}
