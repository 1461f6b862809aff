#include "dsasim/trace/writer.hpp"

#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "import/captures.hpp"
#include "trace/model.hpp"

using namespace traces;
using captures::TempDir;
using dsasim::EntryId;

namespace {

std::vector<EntryId> ids(std::initializer_list<std::uint32_t> values) {
  std::vector<EntryId> entries;
  for (const std::uint32_t value : values) {
    entries.push_back(EntryId{value});
  }
  return entries;
}

dsasim::TraceHeader header(std::uint32_t layers = 2, std::uint64_t prompt = 4) {
  return empty_model(layers, {prompt, prompt}).header;
}

}  // namespace

TEST_CASE("the writer refuses an id outside the context, naming request, step and layer", "[trace]") {
  const TempDir dir;
  dsasim::TraceWriter writer(dir / "t.dsat", header());
  writer.append(1, ids({4}));
  CHECK(trace_error([&] {
          writer.append(1, ids({0, 5}));
        }) == "request 1, step 0, layer 1: id 5 lies outside the context of 5 entries (physical ids must be declared)");
  writer.append(1, ids({}));
  writer.append(1, ids({5}));
  CHECK(trace_error([&] { writer.append(1, ids({6})); }) ==
        "request 1, step 1, layer 1: id 6 lies outside the context of 6 entries (physical ids must be declared)");
}

TEST_CASE("of an entry that is being filled the first token is enough", "[trace]") {
  const TempDir dir;
  dsasim::TraceHeader in_fours = header(1, 6);
  in_fours.unit_tokens = 4;
  dsasim::TraceWriter writer(dir / "t.dsat", in_fours);
  // The queries are at tokens 6, 7 and 8: the third of entry 1, its last, the first of entry 2.
  writer.append(0, ids({0, 1}));
  CHECK(trace_error([&] { writer.append(0, ids({2})); }) ==
        "request 0, step 1, layer 0: id 2 lies outside the context of 2 entries of 4 tokens (physical ids must be "
        "declared; ids of single tokens have a unit of 1)");
  writer.append(0, ids({0, 1}));
  writer.append(0, ids({2}));
  writer.end_request(0);
  writer.end_request(1);
  writer.finish();
  CHECK_NOTHROW(dsasim::TraceReader(dir / "t.dsat").verify());
}

TEST_CASE("the writer refuses physical ids beyond the format's limit", "[trace]") {
  const TempDir dir;
  dsasim::TraceHeader physical = header(1);
  physical.ids = dsasim::IdKind::physical;
  dsasim::TraceWriter writer(dir / "t.dsat", physical);
  CHECK(trace_error([&] { writer.append(0, ids({0x8000'0000})); }) ==
        "request 0, step 0, layer 0: id 2147483648 lies outside the format's limit of 2147483648 entries");
  CHECK_NOTHROW(writer.append(0, ids({1'000'000})));
}

TEST_CASE("the writer refuses an id that a selection holds twice", "[trace]") {
  const TempDir dir;
  dsasim::TraceWriter writer(dir / "t.dsat", header());
  writer.append(0, ids({1}));
  CHECK(trace_error([&] {
          writer.append(0, ids({3, 1, 2, 3}));
        }) == "request 0, step 0, layer 1: id 3 is selected twice (its second place is 3)");
}

TEST_CASE("the writer refuses scores that do not match the ids or the header", "[trace]") {
  const TempDir dir;
  const std::vector<std::uint16_t> scores = {1, 2};
  dsasim::TraceWriter without(dir / "a.dsat", header());
  CHECK(trace_error([&] {
          without.append(0, ids({1, 2}), scores);
        }) == "request 0, step 0, layer 0: 2 scores for 2 ids; the header says that there are none");
  dsasim::TraceHeader scored = header();
  scored.has_scores = true;
  dsasim::TraceWriter with(dir / "b.dsat", scored);
  CHECK(trace_error([&] {
          with.append(0, ids({1, 2, 3}), scores);
        }) == "request 0, step 0, layer 0: 2 scores for 3 ids");
  CHECK(trace_error([&] { with.append(0, ids({1})); }) == "request 0, step 0, layer 0: 0 scores for 1 ids");
  CHECK_NOTHROW(with.append(0, ids({})));
}

TEST_CASE("the writer refuses a chunk that asks a reader for more memory than the format allows", "[trace]") {
  const TempDir dir;
  dsasim::TraceHeader physical = header(1);
  physical.ids = dsasim::IdKind::physical;
  dsasim::TraceWriter writer(dir / "t.dsat", physical);
  writer.append(0, ids({1U << 29U}));
  check_contains(trace_error([&] { writer.finish(); }), "asks for 336593225 bytes of memory; ");
}

TEST_CASE("a trace cannot end in the middle of a step", "[trace]") {
  const TempDir dir;
  dsasim::TraceWriter writer(dir / "t.dsat", header(3));
  for (int selection = 0; selection < 5; ++selection) {
    writer.append(1, ids({0}));
  }
  CHECK(trace_error([&] { writer.finish(); }) ==
        "request 1, step 1, layer 2: the trace ends in the middle of a step of 3 layers");
}

TEST_CASE("a request that was ended is in the file, and takes no more", "[trace]") {
  const TempDir dir;
  dsasim::TraceWriter writer(dir / "t.dsat", header(2));
  writer.append(0, ids({1, 3}));
  CHECK(trace_error([&] { writer.end_request(0); }) ==
        "request 0, step 0, layer 1: the trace ends in the middle of a step of 2 layers");
  writer.append(0, ids({2}));
  writer.append(1, ids({0}));
  writer.end_request(0);
  CHECK(dsasim::TraceReader(dir / "t.dsat", {.allow_truncated = true}).extent(0).steps == 1);
  CHECK_THROWS_AS(writer.append(0, ids({1})), std::logic_error);
  writer.append(1, ids({0}));
  writer.finish();
  const dsasim::TraceReader reader(dir / "t.dsat");
  CHECK_NOTHROW(reader.verify());
  CHECK(reader.extent(1).steps == 1);
  CHECK(reader.digest() == plain_digest(read_all(reader)));
}

TEST_CASE("what was written before the writer went away is a truncated trace of whole chunks", "[trace]") {
  const TempDir dir;
  {
    dsasim::TraceWriter writer(dir / "t.dsat", header(1), {.chunk_steps = 2});
    for (int step = 0; step < 5; ++step) {
      writer.append(0, ids({1, 3}));
    }
    // Readable while the writer is still at it, too.
    const dsasim::TraceReader reader(dir / "t.dsat", {.allow_truncated = true});
    CHECK(reader.extent(0).steps == 4);
  }
  const dsasim::TraceReader reader(dir / "t.dsat", {.allow_truncated = true});
  CHECK(reader.truncated());
  CHECK(reader.extent(0).steps == 4);
  CHECK(reader.extent(1).steps == 0);
  CHECK_NOTHROW(reader.verify());
  const Model model = read_all(reader);
  CHECK(reader.digest() == plain_digest(model));
}

TEST_CASE("the writer refuses a header that no trace can have, before it touches the file", "[trace]") {
  struct Row {
    const char* field;
    void (*change)(dsasim::TraceHeader&);
  };
  const auto row = GENERATE(
      Row{"the number of layers is 0, expected 1 to 65536", [](auto& h) { h.layers.clear(); }},
      Row{"the number of layers is 65537", [](auto& h) { h.layers.resize(65537); }},
      Row{"the number of requests is 0, expected 1 to 1048576", [](auto& h) { h.requests.clear(); }},
      Row{"the number of requests is 1048577", [](auto& h) { h.requests.resize((1U << 20U) + 1); }},
      Row{"the unit of an id in tokens is 0, expected 1 to 1024", [](auto& h) { h.unit_tokens = 0; }},
      Row{"the unit of an id in tokens is 1025", [](auto& h) { h.unit_tokens = 1025; }},
      Row{"the page size in tokens is 1048577", [](auto& h) { h.page_tokens = (1U << 20U) + 1; }},
      Row{"the bytes of an entry is 1073741825", [](auto& h) { h.entry_bytes = (1U << 30U) + 1; }},
      Row{"the length of the model's name is 65537", [](auto& h) { h.model.resize(65537); }},
      Row{"the length of the provenance is 1048577", [](auto& h) { h.provenance.resize((1U << 20U) + 1); }},
      Row{"a layer's number in the model is 65537", [](auto& h) { h.layers[1].model_layer = 65537; }},
      Row{"a layer's group size is 0, expected 1 to 65536", [](auto& h) { h.layers[1].group_size = 0; }},
      Row{"a prompt's length in tokens is 2147483649", [](auto& h) { h.requests[1].prompt_tokens = 2147483649; }});
  const TempDir dir;
  dsasim::TraceHeader wrong = header();
  row.change(wrong);
  std::string message;
  try {
    const dsasim::TraceWriter writer(dir / "t.dsat", wrong);
  } catch (const dsasim::ConfigError& error) {
    message = dir.strip(error.what());
  }
  check_contains(message, std::string("t.dsat: ") + row.field);
  CHECK_FALSE(std::filesystem::exists(dir / "t.dsat"));
}

TEST_CASE("an id that would cost the writer more memory than any trace should is refused at once", "[trace]") {
  const TempDir dir;
  dsasim::TraceHeader sparse;
  sparse.ids = dsasim::IdKind::physical;
  sparse.layers.resize(4);
  sparse.requests.resize(1);
  dsasim::TraceWriter writer(dir / "t.dsat", sparse);
  std::string message;
  try {
    writer.append(0, std::vector{dsasim::EntryId{0x7FFFFFFF}});
  } catch (const dsasim::TraceError& error) {
    message = error.what();
  }
  check_contains(message,
                 "request 0, step 0, layer 0: id 2147483647 asks for 5385486336 bytes of planes over 4 layers");
}

TEST_CASE("a writer that has finished takes nothing more", "[trace]") {
  const TempDir dir;
  dsasim::TraceHeader small;
  small.layers.resize(1);
  small.requests.resize(1);
  dsasim::TraceWriter writer(dir / "t.dsat", small);
  writer.finish();
  CHECK_THROWS_AS(writer.append(0, {}), std::logic_error);
  CHECK_THROWS_AS(writer.finish(), std::logic_error);
}

TEST_CASE("a file that cannot be created is the system's error", "[trace]") {
  const TempDir dir;
  CHECK_THROWS_AS(dsasim::TraceWriter(dir / "no/such/directory.dsat", header()), dsasim::SystemError);
  CHECK_THROWS_AS(dsasim::TraceReader(dir / "absent.dsat"), dsasim::SystemError);
  CHECK_THROWS_AS(dsasim::TraceReader(dir.path()), dsasim::SystemError);
}

TEST_CASE("a full disk is the system's error", "[trace]") {
  if (!std::filesystem::exists("/dev/full")) {
    return;
  }
  CHECK_THROWS_AS(dsasim::TraceWriter("/dev/full", header()), dsasim::SystemError);
}
