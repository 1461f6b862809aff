// Captures as safetensors: the arrays of an npz, with another head.

#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

std::string around(std::string_view header, std::string_view data) {
  return integers({static_cast<std::int64_t>(header.size())}, 8) + std::string(header) + std::string(data);
}

/// Two steps of two layers of three ids.
const Values two_steps{0, 1, 2, 3, 1, -1, 4, 0, 2, 3, 1, 4};

std::string good() {
  return around(R"({"topk_indices": {"dtype": "I32", "shape": [2, 2, 3], "data_offsets": [8, 56]},
                    "output_len": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]},
                    "__metadata__": {"format": "pt", "prompt_len": "5"}})",
                integers({2}, 8) + integers(two_steps, 4));
}

std::string error(const std::string& bytes) {
  const TempDir dir;
  write_file(dir / "r.safetensors", bytes);
  return error_of(dir, [&] { read_requests(*captures::open("safetensors", dir / "r.safetensors")); });
}

}  // namespace

TEST_CASE("tensors are read by the names of npz", "[import][safetensors]") {
  const TempDir dir;
  write_file(dir / "r.safetensors", good());
  const Contents contents = read_all("safetensors", dir / "r.safetensors");
  CHECK(contents.ids == two_steps);
  CHECK(contents.shape.prompt_tokens == 5U);
  CHECK(contents.shape.layers == 2);
  const std::vector<std::filesystem::path> inputs{dir / "r.safetensors"};
  import_captures(inputs, dir / "out.dsat", {});
  CHECK(TraceReader(dir / "out.dsat").header().provenance == "safetensors: r.safetensors");
  // Other types, other tensors, and scores.
  write_file(dir / "r.safetensors", around(R"({"ids": {"dtype": "U16", "shape": [1, 2, 3], "data_offsets": [0, 12]},
                        "topk_scores": {"dtype": "F16", "shape": [1, 2, 3], "data_offsets": [12, 24]},
                        "notes": {"dtype": "BF16", "shape": [1], "data_offsets": [24, 26]}})",
                                           integers({0, 1, 2, 2, 1, 0}, 2) + integers({1, 2, 3, 4, 5, 6}, 2) + "xx"));
  CHECK(read_all("safetensors", dir / "r.safetensors").ids == Values{0, 1, 2, 2, 1, 0});
  CHECK(read_all("safetensors", dir / "r.safetensors").scores == std::vector<std::uint16_t>{1, 2, 3, 4, 5, 6});
  CHECK(dir.strip(captures::open("safetensors", dir / "r.safetensors")->notes().front()) ==
        "r.safetensors: notes is not read");
}

TEST_CASE("tensors that cannot be read say why", "[import][safetensors]") {
  const auto one = [](std::string_view tensor) {
    return around(fmt::format(R"({{"topk_indices": {}}})", tensor), "12345678");
  };
  const auto [bytes, message] = GENERATE_COPY(table<std::string, std::string>({
      {"PK\x03\x04", R"(starts with "PK\x03\x04", expected a header of safetensors (its length, then {))"},
      {integers({1000}, 8) + "{}",
       "says that its header has 1000 bytes; it has 2 behind the length, and at most 16777216 are read"},
      {integers({1 << 30}, 8) + "{}", R"(starts with "\x00\x00\x00@\x00\x00\x00\x00", expected a header of )"},
      {around("{]", ""), "parse error at line 1"},
      {around("{}", ""), "has 0 members, none of them an array"},
      {around(R"({"__metadata__": 7})", ""), "its __metadata__ is no JSON object"},
      {around(R"({"__metadata__": {"prompt_len": 7}})", ""), "its metadata's prompt_len is 7, expected a text"},
      {one("7"),
       R"(its header's topk_indices is 7, expected {"dtype": "I32", "shape": [...], "data_offsets": [begin, end]})"},
      {one(R"({"dtype": "I32", "shape": [-1], "data_offsets": [0, 4]})"), "its header's topk_indices is {"},
      {one(R"({"dtype": "I32", "shape": [1, 1, 2], "data_offsets": [0]})"), "its header's topk_indices is {"},
      {one(R"({"dtype": "I32", "shape": [1, 1, 2], "data_offsets": [0, 16]})"),
       "topk_indices lies from byte 0 to 16 of 8"},
      {one(R"({"dtype": "I32", "shape": [1, 1, 2], "data_offsets": [8, 0]})"),
       "topk_indices lies from byte 8 to 0 of 8"},
      {one(R"({"dtype": "I32", "shape": [1, 1, 2], "data_offsets": [0, 4]})"), "topk_indices: "},
      {one(R"({"dtype": "F32", "shape": [1, 1, 2], "data_offsets": [0, 8]})"), "topk_indices: "},
      {one(R"({"dtype": "I7", "shape": [1, 1, 2], "data_offsets": [0, 8]})"), "topk_indices: "},
      {one(R"({"dtype": "I32", "shape": [1, 4294967296, 4294967296, 4294967296], "data_offsets": [0, 8]})"),
       "topk_indices: "},
  }));
  CAPTURE(message);
  CHECK_THAT(error(bytes), Catch::Matchers::StartsWith("r.safetensors: " + message));
  std::string text = good();
  text.replace(text.find(R"("5")"), 3, R"("x")");
  CHECK(error(text) == R"(r.safetensors: its metadata's prompt_len is "x", expected a whole number from 0)");
}

TEST_CASE("damaged tensors are read or refused, never more", "[import][safetensors]") {
  const TempDir dir;
  const std::string bytes = good();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const unsigned flip : {1U, 4U, 0x80U}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ flip);
      write_file(dir / "r", damaged);
      CHECK(is_read_or_refused("safetensors", dir / "r"));
    }
    write_file(dir / "r", bytes.substr(0, at));
    CHECK_THROWS_AS(read_requests(*captures::open("safetensors", dir / "r")), Error);
  }
}
