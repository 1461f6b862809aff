// The file that docs/trace-format.md shows byte by byte is the file that TraceWriter writes.

#include "catch.hpp"
#include "import/captures.hpp"
#include "trace/model.hpp"
#include "trace/reference_reader.hpp"
#include "trace/reseal.hpp"

#include <zstd.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

using namespace traces;
using captures::TempDir;

namespace {

Model the_documents_trace() {
  Model model = empty_model(1, {40});
  model.header.model = "demo";
  model.header.page_tokens = 64;
  model.requests[0] = {{{.ids = {1, 4, 8}, .scores = {}}},
                       {{.ids = {1, 4, 9}, .scores = {}}},
                       {{.ids = {30, 4, 1}, .scores = {}}},
                       {{.ids = {4, 8, 30}, .scores = {}}}};
  return model;
}

/// The bytes of the fenced block with this language: lines of "OFFSET  HH HH HH  meaning".
Bytes hexdump(const std::string& language) {
  std::ifstream document("docs/trace-format.md");
  REQUIRE(document.good());
  Bytes bytes;
  std::string line;
  while (std::getline(document, line) && line != "```" + language) {
  }
  while (std::getline(document, line) && line != "```") {
    CAPTURE(line);
    REQUIRE(std::stoul(line, nullptr, 16) == bytes.size());
    const std::size_t start = line.find("  ") + 2;
    std::istringstream digits(line.substr(start, line.find("  ", start) - start));
    for (std::string byte; digits >> byte;) {
      REQUIRE(byte.size() == 2);
      bytes.push_back(static_cast<std::uint8_t>(std::stoul(byte, nullptr, 16)));
    }
  }
  REQUIRE_FALSE(bytes.empty());
  return bytes;
}

std::string as_hex(const Bytes& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += fmt::format("{:02x} ", byte);
  }
  return text;
}

/// The single chunk's single lane.
struct Lane {
  std::size_t payload = 0;  ///< its offset in the file
  std::size_t frame_bytes = 0;
  Bytes plain;
};

Lane lane_of(const Bytes& file) {
  Lane lane{.payload = load<std::uint32_t>(&file[12]) + record_size, .frame_bytes = 0, .plain = {}};
  lane.frame_bytes = load<std::uint32_t>(&file[lane.payload]);
  const auto frame = file.begin() + static_cast<std::ptrdiff_t>(lane.payload + 8);
  lane.plain = decompress({frame, frame + static_cast<std::ptrdiff_t>(lane.frame_bytes)},
                          load<std::uint32_t>(&file[lane.payload + 4]));
  return lane;
}

}  // namespace

TEST_CASE("the document's file is a trace of what the document says", "[trace]") {
  const TempDir dir;
  const Bytes file = hexdump("dsat-file");
  write_bytes(dir / "t.dsat", file);
  const dsasim::TraceReader reader(dir / "t.dsat");
  CHECK_NOTHROW(reader.verify());
  check_same(read_all(reader), the_documents_trace());
  check_same(read_by_the_document(file), the_documents_trace());
  CHECK(as_hex(lane_of(file).plain) == as_hex(hexdump("dsat-lane")));
}

TEST_CASE("the writer writes the document's file byte for byte", "[trace]") {
  const TempDir dir;
  write(the_documents_trace(), dir / "t.dsat");
  const Bytes file = read_bytes(dir / "t.dsat");
  const Bytes expected = hexdump("dsat-file");
  const Lane lane = lane_of(file);
  // Versions of zstd may compress the lane to different bytes. What does not depend on them: all before the size of the
  // payload, the lane itself, and the digest.
  const auto before_size = [&](const Bytes& bytes) {
    return as_hex({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(lane.payload - 24)});
  };
  CHECK(before_size(file) == before_size(expected));
  CHECK(as_hex(lane.plain) == as_hex(hexdump("dsat-lane")));
  CHECK(as_hex({file.end() - 32, file.end() - 8}) == as_hex({expected.end() - 32, expected.end() - 8}));
  if (ZSTD_versionString() == std::string("1.5.4")) {  // the document's
    CHECK(as_hex(file) == as_hex(expected));
  }
}
