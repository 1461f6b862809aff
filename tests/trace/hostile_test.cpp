// Files made to mislead a reader: every checksum in them is right.

#include "catch.hpp"
#include "import/captures.hpp"
#include "trace/forge.hpp"
#include "trace/reseal.hpp"

#include <numeric>

using namespace traces;
using namespace dsasim::trace;
using captures::TempDir;

namespace {

/// Two requests of two layers, in chunks of two steps (two of request 0, then one of request 1); the second layer's
/// selections are not sorted.
Model sample() {
  Model model = empty_model(2, {8, 9});
  for (std::uint32_t step = 0; step < 4; ++step) {
    model.requests[0].push_back({{.ids = {1, 4, 5 + step}, .scores = {}}, {.ids = {7, step, 8 + step}, .scores = {}}});
  }
  model.requests[1] = {{{.ids = {9}, .scores = {}}, {}},
                       {{.ids = {2, 10}, .scores = {}}, {.ids = {3, 2}, .scores = {}}}};
  return model;
}

class Forge {
 public:
  explicit Forge(const Model& model, const dsasim::WriterOptions& options = {.chunk_steps = 2}) {
    write(model, dir_ / "t.dsat", options);
    parts = take_apart(read_bytes(dir_ / "t.dsat"));
  }
  /// What opening and verifying the forged file says, without the directory's name; "" if it is accepted.
  std::string verdict() { return verdict_on(assemble(parts)); }
  std::string verdict_on(const Bytes& file) {
    write_bytes(dir_ / "t.dsat", file);
    return dir_.strip(trace_error([&] {
      const dsasim::TraceReader reader(dir_ / "t.dsat", {.allow_truncated = allow_truncated});
      reader.verify();
    }));
  }
  Bytes& stream_of(std::size_t chunk, std::size_t layer, Stream which) {
    return stream(parts.lane(chunk, layer), which);
  }

  Forgery parts;
  bool allow_truncated = false;

 private:
  TempDir dir_;
};

/// A trace of one lane with these selections, in one chunk.
Forge one_lane(const std::vector<std::vector<std::uint32_t>>& selections, bool scores = false) {
  Model model = empty_model(1, {100});
  model.header.has_scores = scores;
  for (const auto& ids : selections) {
    model.requests[0].push_back({{.ids = ids, .scores = std::vector<std::uint16_t>(scores ? ids.size() : 0, 7)}});
  }
  return Forge(model, {});
}

}  // namespace

TEST_CASE("a file taken apart and put together again is the same", "[trace]") {
  Forge forge(sample());
  CHECK(forge.parts.chunks.size() == 3);
  CHECK(forge.verdict().empty());
}

TEST_CASE("a header with fields out of range is refused", "[trace]") {
  struct Row {
    const char* message;
    void (*change)(dsasim::TraceHeader&);
  };
  const auto row = GENERATE(
      Row{"the number of layers is 0, expected 1 to 65536", [](auto& h) { h.layers.clear(); }},
      Row{"the number of requests is 0", [](auto& h) { h.requests.clear(); }},
      Row{"the number of streams (layers x requests) is 4295032832, expected 1 to 268435456",
          [](auto& h) {
            h.layers.resize(65536);
            h.requests.resize(65537);
          }},
      Row{"the unit of an id in tokens is 0", [](auto& h) { h.unit_tokens = 0; }},
      Row{"the unit of an id in tokens is 4294967295", [](auto& h) { h.unit_tokens = 0xFFFFFFFF; }},
      Row{"the page size in tokens is 4294967295", [](auto& h) { h.page_tokens = 0xFFFFFFFF; }},
      Row{"the bytes of an entry is 18446744073709551615", [](auto& h) { h.entry_bytes = ~std::uint64_t{0}; }},
      Row{"a layer's group size is 0", [](auto& h) { h.layers[0].group_size = 0; }},
      Row{"a layer's number in the model is 4294967295", [](auto& h) { h.layers[0].model_layer = 0xFFFFFFFF; }},
      Row{"the length of the model's name is 65537", [](auto& h) { h.model.resize(65537); }},
      Row{"the length of the provenance is 1048577", [](auto& h) { h.provenance.resize((1U << 20U) + 1); }},
      Row{"a prompt's length in tokens is 18446744073709551615",
          [](auto& h) { h.requests[0].prompt_tokens = ~std::uint64_t{0}; }});
  Forge forge(sample());
  forge.parts.chunks.clear();
  row.change(forge.parts.header);
  check_contains(forge.verdict(), row.message);
}

TEST_CASE("a header whose bytes do not make sense is refused", "[trace]") {
  Forge forge(sample());
  const Bytes good = assemble(forge.parts);
  // Offset, new value of the byte there, message.
  struct Row {
    std::size_t at;
    std::uint8_t value;
    const char* message;
  };
  const auto row =
      GENERATE(Row{0, 'X', "not a .dsat trace"}, Row{8, 3, "version 3; this program reads versions up to 2"},
               Row{8, 2, "has flags 0, 0, 0 that version 2 does not know"}, Row{18, 1, "has flags 0, 0, 1"},
               Row{12, 23, "claims a header of 23 bytes"}, Row{15, 0xFF, "claims a header of 42781"},
               Row{14, 1, "is cut off within its header"}, Row{16, 2, "has flags 2, 0, 0"},
               Row{17, 2, "has flags 0, 2, 0"}, Row{19, 128, "has flags 0, 0, 32768"},
               Row{31, 1, "for 16777218 layers and 2 requests"}, Row{35, 0xFF, "for 2 layers and 4278190082 requests"},
               Row{44, 255, "the header ends within a field of 255 bytes"},
               Row{47, 255, "the header ends within a field of 4278190080 bytes"});
  Bytes file = good;
  file[row.at] = row.value;
  reseal(file.data(), file.size());
  check_contains(forge.verdict_on(file), row.message);
}

namespace {

/// The same two layers, which read one store, with steps of several queries: one of request 0 rejects one.
Model sample_of_queries() {
  Model model = sample();
  model.header.has_queries = true;
  model.header.requests[0].prompt_tokens = 10;
  model.header.stores = {{.kv_owner = 0, .kv_rows = 1, .unit_tokens = 1, .entry_bytes = 0},
                         {.kv_owner = 0, .kv_rows = 1, .unit_tokens = 1, .entry_bytes = 0}};
  auto& steps = model.requests[0];
  steps[0].insert(steps[0].end(), steps[1].begin(), steps[1].end());
  steps = {steps[0], {}, steps[2], steps[3]};
  model.queries = {{{2, 1}, {0, 0}, {1, 1}, {1, 1}}, {{1, 1}, {1, 1}}};
  return model;
}

}  // namespace

TEST_CASE("a header whose KV stores cannot be is refused", "[trace]") {
  struct Row {
    const char* message;
    void (*change)(dsasim::TraceHeader&);
  };
  const auto row =
      GENERATE(Row{"layer 1 reads the KV store of layer 2", [](auto& h) { h.stores[1].kv_owner = 2; }},
               Row{"layer 0 reads the KV store of layer 1; expected a layer that owns its store",
                   [](auto& h) { h.stores[0].kv_owner = 1; }},
               Row{"layer 1 reads the KV store of layer 0; expected a layer that owns its store, and alike",
                   [](auto& h) { h.stores[1].unit_tokens = 2; }},
               Row{"layer 0 reads entries of 2 tokens and 0 bytes, the header says 1 and 0",
                   [](auto& h) { h.stores[0].unit_tokens = h.stores[1].unit_tokens = 2; }},
               Row{"layer 0: a KV store with 0 rows", [](auto& h) { h.stores[0].kv_rows = h.stores[1].kv_rows = 0; }},
               Row{"of 1025 tokens",
                   [](auto& h) {
                     h.stores[1] = {1, 1, 1025, 0};
                   }},
               Row{"its KV stores are what a trace without them has", [](auto& h) { h.stores[1].kv_owner = 1; }});
  Forge forge(sample_of_queries());
  CHECK(forge.verdict().empty());
  row.change(forge.parts.header);
  check_contains(forge.verdict(), row.message);
}

TEST_CASE("a table of steps that cannot be is refused", "[trace]") {
  Forge forge(sample_of_queries());
  REQUIRE(forge.parts.chunks[0].steps.size() == 2);
  auto& first = forge.parts.chunks[0].steps[0];
  SECTION("a checksum") {
    forge.parts.edit_table = [](Bytes& table) { ++table[0]; };
    check_contains(forge.verdict(), "a table of steps does not match its checksum");
  }
  SECTION("more accepted than there are") {
    first.accepted = 3;
    check_contains(forge.verdict(), "a step of 2 queries, 3 of them accepted");
  }
  SECTION("more queries than a step may have") {
    first.queries = 1025;
    check_contains(forge.verdict(), "a step of 1025 queries");
  }
  SECTION("more queries than the lanes have rows") {
    first.queries = 3;
    check_contains(forge.verdict(), "layer 0");
  }
  SECTION("fewer queries than the lanes have rows") {
    first.queries = 1;
    check_contains(forge.verdict(), "claims 12 ids in selections of up to 3");
  }
  SECTION("a context that its ids are beyond") {
    first.queries = first.accepted = 0;
    forge.parts.chunks[0].steps[1] = {.queries = 2, .accepted = 2};
    forge.parts.header.requests[0].prompt_tokens = 3;
    check_contains(forge.verdict(), "claims ids up to 9, in a context of 5 entries");
  }
  SECTION("a longest step that no step is") {
    ++forge.parts.chunks[0].head.longest_union;
    check_contains(forge.verdict(), "has steps of up to 5 ids; its head says 6");
  }
  SECTION("a longest step that is not the longest") {
    --forge.parts.chunks[0].head.longest_union;
    check_contains(forge.verdict(), "a step that selects 5 ids, the chunk's head says at most 4");
  }
  SECTION("contexts that grow beyond what ids can name") {
    forge.parts.header.requests[0].prompt_tokens = (std::uint64_t{1} << 31U) - 1;
    check_contains(forge.verdict(), "claims a context of 2147483649 tokens, at most 2147483648 are allowed");
  }
}

TEST_CASE("a header longer than its content is refused", "[trace]") {
  Forge forge(sample());
  Bytes file = assemble(forge.parts);
  const auto size = load<std::uint32_t>(file.data() + 12);
  file.insert(file.begin() + size - 8, 4, 0);
  store(file.data() + 12, size + 4);
  reseal(file.data(), file.size());
  check_contains(forge.verdict_on(file), "the header has 44 bytes for 2 layers and 2 requests");
}

TEST_CASE("a chunk whose head cannot be true is refused when the file is opened", "[trace]") {
  struct Row {
    const char* message;
    void (*change)(ChunkHead&);
  };
  const auto row = GENERATE(
      Row{"belongs to request 2 of 2", [](ChunkHead& h) { h.request = 2; }},
      Row{"belongs to request 4294967295 of 2", [](ChunkHead& h) { h.request = 0xFFFFFFFF; }},
      Row{"has 2 steps from 1 on, expected step 0", [](ChunkHead& h) { h.first_step = 1; }},
      Row{"from 18446744073709551615 on, expected step 0", [](ChunkHead& h) { h.first_step = ~std::uint64_t{0}; }},
      // As many as 2^28 steps of 2 layers and 10 ids have; a bit of a stream is the least that an id takes.
      Row{"claims 5368709120 ids; ",
          [](ChunkHead& h) {
            h.steps = 1U << 28U;
            h.longest_selection = 10;
            h.accesses = 5'368'709'120;
          }},
      Row{"has 0 steps from 0 on", [](ChunkHead& h) { h.steps = 0; }},
      Row{"claims ids up to 10, in a context of 10 entries", [](ChunkHead& h) { h.id_limit = 11; }},
      Row{"claims ids up to 4294967294", [](ChunkHead& h) { h.id_limit = 0xFFFFFFFF; }},
      Row{"claims 12 ids in selections of up to 11, of 10 ids", [](ChunkHead& h) { h.longest_selection = 11; }},
      Row{"claims 13 ids in selections of up to 3", [](ChunkHead& h) { h.accesses = 13; }},
      Row{"claims 18446744073709551615 ids", [](ChunkHead& h) { h.accesses = ~std::uint64_t{0}; }},
      Row{"claims 15 bytes, expected 16 to 4294967296", [](ChunkHead& h) { h.payload_bytes = 15; }},
      Row{"claims 4294967297 bytes", [](ChunkHead& h) { h.payload_bytes = (std::uint64_t{1} << 32U) + 1; }},
      Row{"claims 18446744073709551615 bytes", [](ChunkHead& h) { h.payload_bytes = ~std::uint64_t{0}; }},
      Row{"a chunk of 164 bytes asks for", [](ChunkHead& h) { h.steps = 0xFFFFFFFF; }});
  Forge forge(sample());
  forge.parts.edit_head = [&, first = true](ChunkHead& head) mutable {
    if (first) {
      row.change(head);
    }
    first = false;
  };
  std::string message = row.message;
  if (message.find("164") != std::string::npos) {  // zstd's versions differ in the size
    message = "bytes of memory; ";
  }
  check_contains(forge.verdict(), message);
}

TEST_CASE("chunks of a request in another order than that of their steps are refused", "[trace]") {
  Forge forge(sample());
  SECTION("swapped") {
    std::swap(forge.parts.chunks[0], forge.parts.chunks[1]);
    check_contains(forge.verdict(), "a chunk of request 0 has 2 steps from 2 on, expected step 0 to come next");
  }
  SECTION("repeated") {
    forge.parts.chunks.insert(forge.parts.chunks.begin(), forge.parts.chunks[0]);
    check_contains(forge.verdict(), "a chunk of request 0 has 2 steps from 0 on, expected step 2 to come next");
  }
  SECTION("left out") {
    forge.parts.chunks.erase(forge.parts.chunks.begin());
    check_contains(forge.verdict(), "from 2 on, expected step 0");
  }
  SECTION("given to the other request") {
    forge.parts.chunks[1].head.request = 1;
    check_contains(forge.verdict(), "a chunk of request 1 has 2 steps from 2 on, expected step 0");
  }
  SECTION("of two requests in any order are fine") {
    std::swap(forge.parts.chunks[1], forge.parts.chunks[2]);
    CHECK(forge.verdict().empty());
    std::swap(forge.parts.chunks[0], forge.parts.chunks[1]);
    CHECK(forge.verdict().empty());
  }
}

TEST_CASE("a chunk that asks for more memory than its size allows is refused when the file is opened", "[trace]") {
  Model model = empty_model(1, {0});
  model.header.ids = dsasim::IdKind::physical;
  model.requests[0] = {{{.ids = {1}, .scores = {}}}};
  Forge forge(model);
  SECTION("by its largest id") {
    forge.parts.chunks[0].head.id_limit = 0x8000'0000;
    check_contains(forge.verdict(), "asks for 1346371592 bytes of memory; ");
  }
  SECTION("by its longest selection") {
    forge.parts.chunks[0].head.id_limit = 1U << 27U;
    forge.parts.chunks[0].head.longest_selection = 1U << 27U;
    check_contains(forge.verdict(), "asks for 621019140 bytes of memory; ");
  }
  SECTION("by its number of steps") {
    forge.parts.chunks[0].head.steps = 1U << 31U;
    check_contains(forge.verdict(), "bytes of memory; ");
  }
  SECTION("by a lane's size before compression") {
    forge.parts.edit_payload = [](Bytes& payload) { store(payload.data() + 4, std::uint32_t{0xFFFFFFFF}); };
    check_contains(forge.verdict(), "layer 0: claims 4294967295 bytes before compression; 104 to 26");
  }
}

TEST_CASE("a chunk that claims more work than its size allows is refused when the file is opened", "[trace]") {
  Model model = empty_model(1, {0});
  model.header.ids = dsasim::IdKind::physical;
  model.requests[0] = {{{.ids = {1}, .scores = {}}}};
  Forge forge(model);
  forge.parts.chunks[0].head.id_limit = 1U << 24U;
  forge.parts.chunks[0].head.steps = 1U << 16U;
  check_contains(forge.verdict(), "claims 65536 steps over 16777216 ids in 1 layers, more than its size allows");
}

TEST_CASE("streams that come to more memory than the chunk's size allows are refused", "[trace]") {
  Forge forge = one_lane({{1}});
  // 288 MiB of zeros, which the mask for dropped zero bytes and zstd shrink to some KiB.
  forge.stream_of(0, 0, Stream::steady).resize(std::size_t{288} << 20U);
  check_contains(forge.verdict(), "for streams of 301989893 bytes of at most ");
}

TEST_CASE("a payload whose table of lanes does not fit it is refused", "[trace]") {
  Forge forge(sample());
  SECTION("a lane longer than the rest") {
    forge.parts.edit_payload = [](Bytes& payload) { store(payload.data(), std::uint32_t{0xFFFFFFFF}); };
    check_contains(forge.verdict(), "layer 0: claims 4294967295 bytes, ");
  }
  SECTION("a lane shorter than its frame") {
    forge.parts.edit_payload = [](Bytes& payload) {
      store(payload.data(), load<std::uint32_t>(payload.data()) - 1);
      store(payload.data() + 8, load<std::uint32_t>(payload.data() + 8) + 1);  // so that the table adds up
    };
    check_contains(forge.verdict(), "does not decompress to its ");
  }
  SECTION("bytes after the last lane") {
    forge.parts.edit_payload = [](Bytes& payload) { payload.push_back(0); };
    check_contains(forge.verdict(), "the chunk holds 1 bytes that belong to no layer");
  }
  SECTION("a lane smaller than a table of streams") {
    forge.parts.edit_payload = [](Bytes& payload) { store(payload.data() + 4, std::uint32_t{103}); };
    check_contains(forge.verdict(), "claims 103 bytes before compression; 104 to ");
  }
  SECTION("a lane that decompresses to less or more") {
    const auto change = GENERATE(-1, 1);
    forge.parts.edit_payload = [=](Bytes& payload) {
      store(payload.data() + 4, load<std::uint32_t>(payload.data() + 4) + static_cast<std::uint32_t>(change));
    };
    check_contains(forge.verdict(), "does not decompress to its ");
  }
}

TEST_CASE("streams too short or too long are refused, each by name or by its lane", "[trace]") {
  const auto which = static_cast<Stream>(GENERATE(range(0, static_cast<int>(stream_count))));
  CAPTURE(static_cast<int>(which));
  // Every stream is in use: 300 ids in another order, then some steady, wavering, returning and far ones, and scores.
  std::vector<std::uint32_t> many(80);
  std::iota(many.rbegin(), many.rend(), 20U);
  std::vector<std::vector<std::uint32_t>> selections = {many, {1, 2, 99, 5, 40}, {1, 2, 99, 6}, {1, 2, 5, 7, 88}};
  Forge forge = one_lane(selections, true);
  Bytes& bytes = forge.stream_of(0, 0, which);
  const bool unused = which == Stream::ranks_byte_1 || which == Stream::ranks_byte_2 || which == Stream::ranks_byte_3;
  REQUIRE(bytes.empty() == unused);
  SECTION("one byte too many") {
    bytes.push_back(0);
    CHECK_FALSE(forge.verdict().empty());
  }
  SECTION("one byte missing") {
    if (!unused) {
      bytes.pop_back();
      CHECK_FALSE(forge.verdict().empty());
    }
  }
  SECTION("nothing left") {
    if (!unused) {
      bytes.clear();
      CHECK_FALSE(forge.verdict().empty());
    }
  }
}

TEST_CASE("selections that contradict their streams or the chunk's head are refused", "[trace]") {
  SECTION("longer than the head says") {
    Forge forge = one_lane({{1, 2}, {1, 2, 3}});
    forge.parts.chunks[0].head.longest_selection = 2;
    forge.parts.chunks[0].head.accesses = 4;
    check_contains(forge.verdict(), "a selection of 3 ids, the chunk's head says at most 2");
  }
  SECTION("longer than the ids below the limit") {
    Forge forge = one_lane({{1, 2}});
    stream(forge.parts.lane(0, 0), Stream::lengths)[3] = 0x80;
    check_contains(forge.verdict(), "a selection is longer than the ids it could hold");
  }
  SECTION("with more known ids than their length") {
    Forge forge = one_lane({{1, 2}, {1, 2}});
    forge.stream_of(0, 0, Stream::lengths)[4] = 1;
    check_contains(forge.verdict(), "a selection holds more ids than its length");
  }
  SECTION("with a far id that a class already gave") {
    Forge forge = one_lane({{0}, {0, 1}});
    forge.stream_of(0, 0, Stream::far_symbols)[1] = 0;
    check_contains(forge.verdict(), "an id is selected twice");
  }
  SECTION("with a far id beyond the largest of the chunk") {
    Forge forge = one_lane({{5}, {6}});
    forge.stream_of(0, 0, Stream::far_symbols)[0] = 7;
    check_contains(forge.verdict(), "a far id lies beyond the largest id of the chunk");
  }
  SECTION("with a gap that is far beyond") {
    Forge forge = one_lane({{5}, {6}});
    forge.stream_of(0, 0, Stream::far_symbols)[0] = 123;
    forge.stream_of(0, 0, Stream::far_extra).assign(8, 0xFF);
    check_contains(forge.verdict(), "a far id lies beyond the largest id of the chunk");
  }
  SECTION("with an unknown symbol") {
    Forge forge = one_lane({{5}, {6}});
    forge.stream_of(0, 0, Stream::far_symbols)[0] = 124;
    check_contains(forge.verdict(), "a gap between far ids has an unknown symbol");
  }
  SECTION("with an id outside the context of its step, though not of the chunk") {
    Forge forge = one_lane({{5}, {101}});
    std::swap(forge.stream_of(0, 0, Stream::far_symbols)[0], forge.stream_of(0, 0, Stream::far_symbols)[1]);
    check_contains(forge.verdict(), "step 0: id 101 lies outside the context of 101 entries");
  }
  SECTION("with an id that no token of the step's context belongs to, though it is selected later") {
    Model model = empty_model(1, {6});
    model.header.unit_tokens = 4;
    model.requests[0] = {{{.ids = {1}, .scores = {}}}, {{.ids = {0}, .scores = {}}}, {{.ids = {2}, .scores = {}}}};
    Forge forge(model, {});
    CHECK(forge.verdict().empty());
    std::swap(forge.stream_of(0, 0, Stream::far_symbols)[0], forge.stream_of(0, 0, Stream::far_symbols)[2]);
    check_contains(forge.verdict(), "step 0: id 2 lies outside the context of 2 entries");
  }
  SECTION("with an order that is neither of the two") {
    Forge forge = one_lane({{3, 2, 1}});
    forge.stream_of(0, 0, Stream::orders) = {2};
    check_contains(forge.verdict(), "the order of a selection is neither 0 nor 1");
  }
  SECTION("with ranks that repeat") {
    Forge forge = one_lane({{3, 2, 1}});
    forge.stream_of(0, 0, Stream::ranks_byte_0) = {2, 2, 0};
    check_contains(forge.verdict(), "the ranks of a selection are not a permutation");
  }
  SECTION("with a rank too large") {
    Forge forge = one_lane({{3, 2, 1}});
    forge.stream_of(0, 0, Stream::ranks_byte_0) = {3, 2, 0};
    check_contains(forge.verdict(), "the ranks of a selection are not a permutation");
  }
  SECTION("fewer than the head says") {
    Forge forge = one_lane({{1, 2, 3}, {1, 2}});
    forge.parts.chunks[0].head.accesses = 6;
    check_contains(forge.verdict(), "holds 5 ids below 4 in selections of up to 3; its head says 6, 4 and 3");
  }
  SECTION("more than the head says") {
    Forge forge = one_lane({{1, 2, 3}, {1, 2}});
    forge.parts.chunks[0].head.accesses = 4;
    // Said by the layer itself: a replay that is divided by layers would reach the chunk's end too late.
    check_contains(forge.verdict(), "layer 0 holds more ids than the 4 of the chunk's head");
  }
  SECTION("of smaller ids than the head says") {
    Forge forge = one_lane({{1, 2, 3}});
    forge.parts.chunks[0].head.id_limit = 50;
    check_contains(forge.verdict(), "holds 3 ids below 4 in selections of up to 3; its head says 3, 50 and 3");
  }
  SECTION("shorter than the head says") {
    Forge forge = one_lane({{1, 2, 3}});
    forge.parts.chunks[0].head.longest_selection = 4;
    check_contains(forge.verdict(), "holds 3 ids below 4 in selections of up to 3; its head says 3, 4 and 4");
  }
  SECTION("in another number than the chunk's steps") {
    Forge forge = one_lane({{1, 2, 3}, {1}});
    forge.parts.chunks[0].head.steps = 3;
    check_contains(forge.verdict(), "the number of selections is not the chunk's number of steps");
  }
  SECTION("with scores that nobody announced") {
    Forge forge = one_lane({{1, 2, 3}});
    forge.stream_of(0, 0, Stream::scores_low).assign(3, 0);
    check_contains(forge.verdict(), "a stream goes on after the last selection");
  }
}

TEST_CASE("an end record that does not fit the file is refused", "[trace]") {
  Forge forge(sample());
  SECTION("another number of chunks") {
    forge.parts.edit_end = [](EndRecord& end) { end.chunks = 2; };
    check_contains(forge.verdict(), "holds 3 chunks and 29 ids, its end record says 2 and 29");
  }
  SECTION("another number of ids") {
    forge.parts.edit_end = [](EndRecord& end) { ++end.accesses; };
    check_contains(forge.verdict(), "holds 3 chunks and 29 ids, its end record says 3 and 30");
  }
  SECTION("another size") {
    forge.parts.edit_end = [](EndRecord& end) { --end.file_bytes; };
    check_contains(forge.verdict(), "bytes long, its end record at byte ");
  }
  SECTION("another digest, which only verify finds") {
    forge.parts.edit_end = [](EndRecord& end) { end.digest.low ^= 1; };
    check_contains(forge.verdict(), ", its end record says ");
  }
  SECTION("bytes after it") {
    for (const std::size_t more : {1U, 63U, 64U, 200U}) {
      Bytes file = assemble(forge.parts);
      file.resize(file.size() + more, 0);
      check_contains(forge.verdict_on(file), "bytes long, its end record at byte ");
    }
  }
  SECTION("twice") {
    Bytes file = assemble(forge.parts);
    const Bytes end(file.end() - 64, file.end());
    file.insert(file.end(), end.begin(), end.end());
    check_contains(forge.verdict_on(file), "bytes long, its end record at byte ");
  }
  SECTION("zeros in its place") {
    forge.allow_truncated = true;
    Bytes file = assemble(forge.parts);
    std::fill(file.end() - 64, file.end(), std::uint8_t{0});
    check_contains(forge.verdict_on(file), "does not match its checksum");
  }
}
