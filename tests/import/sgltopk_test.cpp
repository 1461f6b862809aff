// Logs that SGLang writes of its decode forwards, made here byte by byte.

#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

/// Six layers of which 1 and 3 compute an index: 3 is used by three.
constexpr std::string_view header =
    R"({"version":1,"topk":3,"num_model_layers":6,"layer_ids":[1,3],"ids_are_token_positions":true,)"
    R"("model_path":"m","rank":0})";

struct Logged {
  std::int64_t hash;
  std::int64_t length;
};

std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  // NOLINTBEGIN(*-reinterpret-cast): zlib's idea of bytes
  REQUIRE(compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                    static_cast<uLong>(bytes.size()), 1) == Z_OK);
  // NOLINTEND(*-reinterpret-cast)
  out.resize(size);
  return out;
}

/// The rows of all requests, of two layers of three ids: sorted, then differences.
std::string forward(std::int64_t counter, const std::vector<Logged>& requests, Values ids) {
  for (std::size_t row = 0; row < ids.size(); row += 3) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(row);
    std::sort(begin, begin + 3);
    for (std::size_t i = 2; i > 0; --i) {
      ids[row + i] -= ids[row + i - 1];
    }
  }
  const std::string payload = deflated(integers(ids, 4));
  std::string out = integers({counter}, 8) + integers({static_cast<std::int64_t>(requests.size())}, 4) +
                    integers({static_cast<std::int64_t>(payload.size())}, 4);
  for (const Logged& request : requests) {
    out += integers({request.hash}, 8) + integers({request.length}, 4);
  }
  return out + payload;
}

std::string log_of(std::string_view json, const std::string& forwards) {
  return "SGLTOPK1" + integers({static_cast<std::int64_t>(json.size())}, 4) + std::string(json) + forwards;
}

/// Request 10 from forward 0 on, 11 from forward 1: contexts of 5 and of 3.
std::string two_requests() {
  return forward(0, {{10, 5}}, {4, 0, 2, -1, 1, 3}) +
         forward(1, {{11, 3}, {10, 6}}, {2, 1, 0, 0, 2, -1, 5, 4, 0, 1, 2, 3});
}

std::string error(const std::string& bytes) {
  const TempDir dir;
  write_file(dir / "r.bin", bytes);
  return error_of(dir, [&] { read_requests(*captures::open("sgltopk", dir / "r.bin")); });
}

}  // namespace

TEST_CASE("a log of forwards is a batch whose requests join", "[import][sgltopk]") {
  const TempDir dir;
  write_file(dir / "r.bin", log_of(header, two_requests()));
  const std::vector<Contents> requests = read_requests(*captures::open("sgltopk", dir / "r.bin"));
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].ids == Values{0, 2, 4, 1, 3, -1, 0, 4, 5, 1, 2, 3});
  CHECK(requests[0].shape.prompt_tokens == 4U);
  CHECK(requests[0].shape.start_step == 0);
  CHECK(requests[1].ids == Values{0, 1, 2, 0, 2, -1});
  CHECK(requests[1].shape.prompt_tokens == 2U);
  CHECK(requests[1].shape.start_step == 1);
  CHECK_FALSE(requests[0].shape.has_queries);
  const std::vector<std::filesystem::path> inputs{dir / "r.bin"};
  import_captures(inputs, dir / "out.dsat", {});
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().layers ==
        std::vector<LayerInfo>{{.model_layer = 1, .group_size = 2}, {.model_layer = 3, .group_size = 3}});
  CHECK(trace.header().ids == IdKind::logical);
  CHECK(trace.header().provenance == "sgltopk: r.bin");
  CHECK(trace.accesses() == 16);
}

TEST_CASE("a log says whether ids are slots", "[import][sgltopk]") {
  const TempDir dir;
  std::string slots(header);
  slots.replace(slots.find("true"), 4, "false");
  write_file(dir / "r.bin", log_of(slots, forward(0, {{10, 5}}, {400, 7, 2, 900, 1, 3})));
  const std::vector<std::filesystem::path> inputs{dir / "r.bin"};
  import_captures(inputs, dir / "out.dsat", {});
  CHECK(TraceReader(dir / "out.dsat").header().ids == IdKind::physical);
}

TEST_CASE("a request that is missing from a forward pauses", "[import][sgltopk]") {
  const TempDir dir;
  const std::string pause = forward(0, {{10, 5}, {11, 3}}, {4, 0, 2, -1, 1, 3, 2, 1, 0, 0, 2, -1}) +
                            forward(1, {{11, 4}}, {2, 1, 0, 0, 2, -1}) +
                            forward(2, {{10, 6}, {11, 5}}, {5, 4, 0, 1, 2, 3, 2, 1, 0, 0, 2, -1});
  write_file(dir / "r.bin", log_of(header, pause));
  const auto file = captures::open("sgltopk", dir / "r.bin");
  REQUIRE(file->requests().size() == 2);
  CHECK(file->requests()[0].steps == 3);
  CHECK(file->requests()[0].has_queries);
  const auto source = file->read();
  CaptureStep step;
  std::vector<std::uint32_t> queries;
  for (int i = 0; i < 6; ++i) {
    source->read_step(step);
    if (step.request == 0) {
      queries.push_back(step.queries);
    }
  }
  CHECK(queries == std::vector<std::uint32_t>{1, 0, 1});
}

TEST_CASE("a log that cannot be read says why", "[import][sgltopk]") {
  const auto with = [](std::string_view from, std::string_view to) {
    std::string json(header);
    json.replace(json.find(from), from.size(), to);
    return log_of(json, two_requests());
  };
  const std::string good = log_of(header, two_requests());
  CHECK(error("SGLTOPK2") == "r.bin: starts with \"SGLTOPK2\", expected a log of SGLang's (\"SGLTOPK1\")");
  CHECK(error("SGLTOPK1\x05") == "r.bin: is cut off: the header's length needs 4 bytes, and 1 are left");
  CHECK(error("SGLTOPK1" + integers({0x7fffffff}, 4)) ==
        "r.bin: its header has 2147483647 bytes, expected at most 1048576");
  CHECK(error("SGLTOPK1" + integers({100}, 4) + "{}") ==
        "r.bin: is cut off: the header needs 100 bytes, and 2 are left");
  CHECK(error(log_of("{", "")).starts_with("r.bin: parse error at line 1"));
  CHECK(error(log_of("[]", "")) == "r.bin: its header is no JSON object");
  CHECK(error(log_of(header, "")) == "r.bin: holds no selection");
  CHECK(error(with(R"("version":1)", R"("version":2)")) == "r.bin: its header says version 2, expected 1");
  CHECK(error(with(R"("topk":3)", R"("topk":0)")) ==
        "r.bin: its header's topk is 0, expected a number from 1 to 16777216");
  CHECK(error(with(R"("topk":3,)", "")) == "r.bin: its header's topk is missing, expected a number from 1 to 16777216");
  CHECK(error(with("[1,3]", "[3,1]")) == "r.bin: its header's layer_ids has 1, expected ascending numbers below 6");
  CHECK(error(with("[1,3]", "[1,6]")) == "r.bin: its header's layer_ids has 6, expected ascending numbers below 6");
  CHECK(error(with("[1,3]", "[]")) == "r.bin: its header has no layer_ids, a list of numbers of layers");
  CHECK(error(with("true", "1")) ==
        "r.bin: its header does not say by ids_are_token_positions, true or false, what ids are");
  CHECK(error(with(R"("topk":3)", R"("topk":4)")) ==
        "r.bin: forward 0: its payload is damaged or too short for 1 x 2 x 4 ids");
  CHECK(error(with(R"("topk":3)", R"("topk":2)")) ==
        "r.bin: forward 0: its payload does not end with its 1 x 2 x 2 ids");
  CHECK(error(good + "more").starts_with("r.bin: is cut off: a forward's head needs 16 bytes, and 4 are left"));
  CHECK(error(log_of(header, integers({0}, 8) + integers({0x7fffffff}, 4) + integers({0}, 4))) ==
        "r.bin: is cut off: the list of its requests needs 25769803764 bytes, and 0 are left");
  CHECK(error(log_of(header, forward(0, {{10, 0}}, {4, 0, 2, -1, 1, 3}))).find("the context is 0 at step 0") !=
        std::string::npos);
  // A request twice in a forward, and a context that jumps.
  CHECK(error(log_of(header, forward(0, {{10, 5}, {10, 5}}, {4, 0, 2, -1, 1, 3, 4, 0, 2, -1, 1, 3})))
            .find("expected one") != std::string::npos);
  CHECK(error(log_of(header, forward(0, {{10, 5}}, {4, 0, 2, -1, 1, 3}) + forward(1, {{10, 9}}, {4, 0, 2, -1, 1, 3})))
            .find("the context of request 000000000000000a grows from 5 to 9") != std::string::npos);
}

TEST_CASE("a damaged log is read or refused, never more", "[import][sgltopk]") {
  const TempDir dir;
  const std::string good = log_of(header, two_requests());
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const unsigned flip : {1U, 4U, 0x80U}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
      write_file(dir / "r.bin", bytes);
      CHECK(is_read_or_refused("sgltopk", dir / "r.bin"));
    }
    write_file(dir / "r.bin", good.substr(0, at));
    CHECK(is_read_or_refused("sgltopk", dir / "r.bin"));
  }
}
