// What is written is what is read, whatever its shape: compared with plain vectors, and through a second reader that
// was written from the document.

#include "catch.hpp"
#include "import/captures.hpp"
#include "trace/model.hpp"
#include "trace/reference_reader.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

using namespace traces;
using captures::TempDir;

namespace {

/// Writes, reads in both ways, compares; and asks the reader all that it says of the whole.
void check_round_trip(const Model& model, const dsasim::WriterOptions& options, Random& random) {
  const TempDir dir;
  write(model, dir / "t.dsat", options, &random);
  const dsasim::TraceReader reader(dir / "t.dsat");
  check_same(read_all(reader), model);
  check_same(read_by_the_document(read_bytes(dir / "t.dsat")), model);
  CHECK(reader.digest() == plain_digest(model));
  CHECK(replay_digest(reader.identity()) == plain_replay_digest(model));
  CHECK_NOTHROW(reader.verify());
  CHECK_FALSE(reader.truncated());
  CHECK(reader.file_bytes() == std::filesystem::file_size(dir / "t.dsat"));

  std::uint64_t accesses = 0;
  std::uint64_t chunks = 0;
  std::uint64_t longest = 0;
  std::uint64_t batch_steps = 0;
  std::uint64_t context = 0;
  std::uint64_t longest_union = 0;
  for (std::uint32_t request = 0; request < model.requests.size(); ++request) {
    std::uint64_t own = 0;
    std::uint64_t limit = 0;
    std::uint64_t tokens = model.header.requests[request].prompt_tokens;
    for (std::size_t number = 0; number < model.requests[request].size(); ++number) {
      const Step& step = model.requests[request][number];
      const Queries queries = model.header.has_queries ? model.queries[request][number] : Queries{};
      CHECK(reader.queries(request, number).context_tokens == tokens);
      tokens += queries.accepted;
      std::vector<std::set<std::uint32_t>> selected(model.header.layers.size());
      for (std::size_t row = 0; row < step.size(); ++row) {
        selected[row % selected.size()].insert(step[row].ids.begin(), step[row].ids.end());
      }
      for (const auto& ids : selected) {
        longest_union = std::max<std::uint64_t>(longest_union, ids.size());
      }
      for (const Selection& selection : step) {
        own += selection.ids.size();
        longest = std::max<std::uint64_t>(longest, selection.ids.size());
        for (const std::uint32_t id : selection.ids) {
          limit = std::max<std::uint64_t>(limit, std::uint64_t{id} + 1);
        }
      }
    }
    const auto& info = model.header.requests[request];
    CHECK(reader.extent(request).accesses == own);
    CHECK(reader.extent(request).id_limit == limit);
    CHECK(reader.extent(request).steps == model.requests[request].size());
    accesses += own;
    chunks += reader.chunk_starts(request).size();
    batch_steps = std::max(batch_steps, info.start_step + reader.extent(request).steps);
    context = std::max(context, tokens / model.header.least_unit());
  }
  CHECK(reader.accesses() == accesses);
  CHECK(reader.chunk_count() == chunks);
  CHECK(reader.longest_selection() == longest);
  CHECK(reader.batch_steps() == batch_steps);
  CHECK(reader.longest_context_entries() == context);
  CHECK(reader.longest_union() == longest_union);
}

}  // namespace

TEST_CASE("random traces come back as they were written", "[trace]") {
  Random random(20);
  const auto chunk_steps = GENERATE(1U, 2U, 3U, 33U, 1000U);
  CAPTURE(chunk_steps);
  const bool scores = GENERATE(false, true);
  const Shape shape{.requests = 3, .layers = 2, .steps = 90, .prompt = 200, .selection = 48, .scores = scores};
  check_round_trip(random_model(random, shape), {.chunk_steps = chunk_steps}, random);
}

TEST_CASE("a chunk is closed after the step that reaches its number of ids", "[trace]") {
  Random random(21);
  const auto chunk_ids = GENERATE(0U, 1U, 64U, 500U);
  check_round_trip(random_model(random, {.steps = 70}), {.chunk_ids = chunk_ids}, random);
}

TEST_CASE("many random shapes come back as they were written", "[trace]") {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Shape shape{.requests = 1 + static_cast<std::uint32_t>(random() % 4),
                      .layers = 1 + static_cast<std::uint32_t>(random() % 5),
                      .steps = static_cast<std::uint32_t>(random() % 80),
                      .prompt = random() % 300,
                      .selection = static_cast<std::uint32_t>(random() % 200),
                      .physical_ids = seed % 3 == 0 ? 1 + random() % 100000 : 0,
                      .unit_tokens = seed % 4 == 1 ? 4U : 1U,
                      .scores = seed % 2 == 1,
                      .queries = seed % 5 < 2 ? static_cast<std::uint32_t>(1 + seed % 4) : 0,
                      .stores = seed % 3 == 1,
                      .unsorted = std::array{0.0, 0.1, 1.0}[seed % 3]};
    const dsasim::WriterOptions options{.chunk_ids = seed % 5 == 0 ? 300 : 1U << 20U,
                                        .chunk_steps = 1 + static_cast<std::uint32_t>(random() % 100)};
    check_round_trip(random_model(random, shape), options, random);
  }
}

TEST_CASE("the window of recent selections turns over many times in a chunk", "[trace]") {
  Random random(22);
  const Shape shape{.requests = 1, .layers = 1, .steps = 300, .prompt = 600, .selection = 12};
  check_round_trip(random_model(random, shape), {}, random);
}

TEST_CASE("long selections in any order come back", "[trace]") {
  Random random(23);
  SECTION("of thousands of ids") {
    const Shape shape{
        .requests = 1, .layers = 2, .steps = 6, .prompt = 9000, .selection = 4000, .scores = true, .unsorted = 1.0};
    check_round_trip(random_model(random, shape), {}, random);
  }
  SECTION("whose ranks take one, two and three bytes") {
    Model model = empty_model(1, {70'000});
    for (const std::uint32_t size : {255U, 256U, 257U, 1U, 0U, 65'535U, 65'536U, 65'537U}) {
      Selection selection{.ids = std::vector<std::uint32_t>(size), .scores = {}};
      std::iota(selection.ids.begin(), selection.ids.end(), 0U);
      std::reverse(selection.ids.begin(), selection.ids.end());
      model.requests[0].push_back({selection});
    }
    check_round_trip(model, {}, random);
  }
}

TEST_CASE("empty selections, selections of all there is, and the last id of the context come back", "[trace]") {
  Random random(24);
  Model model = empty_model(2, {3, 0});
  for (std::uint32_t step = 0; step < 80; ++step) {
    for (std::uint32_t request = 0; request < 2; ++request) {
      const auto context =
          static_cast<std::uint32_t>(selectable_entries(model.header, model.header.requests[request], step));
      Selection all{.ids = std::vector<std::uint32_t>(context), .scores = {}};
      std::iota(all.ids.begin(), all.ids.end(), 0U);
      const Selection other = step % 2 == 0 ? Selection{} : Selection{.ids = {context - 1}, .scores = {}};
      model.requests[request].push_back({all, other});
    }
  }
  check_round_trip(model, {}, random);
}

TEST_CASE("a trace may have no steps, and a request none while another has some", "[trace]") {
  Random random(25);
  check_round_trip(empty_model(3, {5}), {}, random);
  Model model = empty_model(1, {5, 5, 5});
  model.requests[1].push_back({{.ids = {5, 1}, .scores = {}}});
  check_round_trip(model, {}, random);
}

TEST_CASE("chunks of empty selections come back", "[trace]") {
  Random random(26);
  Model model = empty_model(2, {0});
  model.header.unit_tokens = 4;
  model.requests[0] = {{{}, {}}, {{}, {}}, {{}, {}}, {{}, {.ids = {0}, .scores = {}}}};
  check_round_trip(model, {.chunk_steps = 2}, random);
}

TEST_CASE("scores come back bit by bit, NaNs and negative zeros too", "[trace]") {
  Random random(27);
  Model model = empty_model(1, {70'000});
  model.header.has_scores = true;
  Selection all;
  for (std::uint32_t bits = 0; bits <= std::numeric_limits<std::uint16_t>::max(); ++bits) {
    all.ids.push_back(bits);
    all.scores.push_back(static_cast<std::uint16_t>(bits));
  }
  model.requests[0] = {{all}, {{}}, {{.ids = {9, 3}, .scores = {0x7E01, 0xFFFF}}}};
  check_round_trip(model, {}, random);
}

TEST_CASE("sparse physical ids come back", "[trace]") {
  Random random(28);
  SECTION("at random") {
    const Shape shape{
        .requests = 2, .layers = 2, .steps = 50, .selection = 30, .physical_ids = 5'000'000, .scores = true};
    check_round_trip(random_model(random, shape), {}, random);
  }
  SECTION("on both sides of every power of two below 2^28") {
    Model model = empty_model(1, {0});
    model.header.ids = dsasim::IdKind::physical;
    Selection sparse{.ids = {0}, .scores = {}};
    for (std::uint32_t bit = 1; bit < 28; ++bit) {
      sparse.ids.push_back((1U << bit) - 1);
      sparse.ids.push_back(1U << bit);
    }
    sparse.ids.erase(std::unique(sparse.ids.begin(), sparse.ids.end()), sparse.ids.end());
    model.requests[0] = {{sparse}, {sparse}, {{.ids = {(1U << 28U) - 1, 5}, .scores = {}}}};
    check_round_trip(model, {}, random);
  }
}

TEST_CASE("the digest depends neither on chunks nor on the order of appending nor on texts", "[trace]") {
  Random random(29);
  Model model = random_model(random, {.requests = 3, .steps = 50, .scores = true});
  const std::string digest = plain_digest(model);
  const TempDir dir;
  for (const std::uint32_t chunk_steps : {1U, 7U, 1000U}) {
    model.header.provenance += "another";
    model.header.requests[1].start_step += 1;
    write(model, dir / "a.dsat", {.chunk_steps = chunk_steps}, &random);
    write(model, dir / "b.dsat", {.chunk_steps = chunk_steps});
    CHECK(dsasim::TraceReader(dir / "a.dsat").digest() == digest);
    CHECK(dsasim::TraceReader(dir / "b.dsat").digest() == digest);
  }
}

TEST_CASE("the identity changes with each field of the header that a replay reads, and with no other", "[trace]") {
  Model model = empty_model(2, {20, 20});
  model.requests[0] = {{{.ids = {1, 2, 3}, .scores = {}}, {.ids = {4}, .scores = {}}}};
  const TempDir dir;
  const auto identity_after = [&](const auto& change) {
    Model changed = model;
    change(changed.header);
    write(changed, dir / "t.dsat");
    return dsasim::TraceReader(dir / "t.dsat").identity();
  };
  const dsasim::TraceIdentity plain = identity_after([](const dsasim::TraceHeader&) {});
  const auto changed_parts = [&](const auto& change) {
    std::string names;
    const dsasim::TraceIdentity changed = identity_after(change);
    REQUIRE(changed.size() == plain.size());
    for (std::size_t i = 0; i < plain.size(); ++i) {
      names += changed[i] == plain[i] ? "" : std::string(plain[i].name) + " ";
    }
    CHECK((replay_digest(changed) != replay_digest(plain)) == !names.empty());
    return names;
  };
  using Header = dsasim::TraceHeader;
  CHECK(changed_parts([](Header& header) { header.ids = dsasim::IdKind::physical; }) == "ids ");
  CHECK(changed_parts([](Header& header) { header.page_tokens = 64; }) == "page_tokens ");
  CHECK(changed_parts([](Header& header) { header.entry_bytes = 656; }) == "entry_bytes ");
  CHECK(changed_parts([](Header& header) { header.layers[1].model_layer += 1; }) == "layers ");
  CHECK(changed_parts([](Header& header) { header.layers[0].group_size += 1; }) == "layers ");
  CHECK(changed_parts([](Header& header) { std::swap(header.layers[0], header.layers[1]); }) == "layers ");
  CHECK(changed_parts([](Header& header) { header.requests[1].start_step = 5; }) == "start_steps ");
  CHECK(changed_parts([](Header& header) { header.stores = {{0, 2, 1, 0}, {1, 1, 1, 0}}; }) == "digest layers ");
  CHECK(changed_parts([](Header& header) { header.stores = {{0, 1, 1, 0}, {1, 1, 1, 0}}; }) == "");  // as without
  CHECK(changed_parts([](Header& header) { header.unit_tokens = 2; }) == "digest ");
  CHECK(changed_parts([](Header& header) { header.requests[0].prompt_tokens += 1; }) == "digest ");
  CHECK(changed_parts([](Header& header) { header.model = header.provenance = "another"; }) == "");
}

TEST_CASE("the digest changes with an id, an order, a prompt, the unit and a request's number of steps", "[trace]") {
  Model model = empty_model(1, {20, 20});
  model.requests[0] = {{{.ids = {1, 2, 3}, .scores = {}}}, {{.ids = {4}, .scores = {}}}};
  model.requests[1] = {{{.ids = {1}, .scores = {}}}};
  std::vector<Model> models(11, model);
  models[1].requests[0][0][0].ids[2] = 4;
  models[2].requests[0][0][0].ids = {2, 1, 3};
  models[3].header.requests[1].prompt_tokens = 21;
  models[4].header.unit_tokens = 2;
  models[5].requests[1].push_back({{}});
  models[6].requests[0] = {{{.ids = {1, 2}, .scores = {}}}, {{.ids = {3, 4}, .scores = {}}}};
  for (std::size_t i = 7; i < 10; ++i) {
    models[i].header.has_queries = true;
    models[i].queries = {{{1, 1}, {1, 1}}, {{1, 1}}};
  }
  models[8].queries[0][0].accepted = 0;
  models[9].requests[0] = {{{.ids = {1, 2, 3}, .scores = {}}, {.ids = {4}, .scores = {}}}, {}};
  models[9].queries = {{{2, 2}, {0, 0}}, {{1, 1}}};
  models[10].header.stores = {{.kv_owner = 0, .kv_rows = 2, .unit_tokens = 1, .entry_bytes = 0}};
  const TempDir dir;
  std::vector<std::string> digests;
  for (const Model& other : models) {
    write(other, dir / "t.dsat");
    digests.push_back(dsasim::TraceReader(dir / "t.dsat").digest());
  }
  std::sort(digests.begin(), digests.end());
  CHECK(std::unique(digests.begin(), digests.end()) == digests.end());
}

TEST_CASE("a cursor over any range of steps gives that slice", "[trace]") {
  Random random(30);
  const auto chunk_steps = GENERATE(1U, 5U, 1000U);
  const Model model = random_model(random, {.requests = 2, .layers = 2, .steps = 30, .scores = true});
  const TempDir dir;
  write(model, dir / "t.dsat", {.chunk_steps = chunk_steps}, &random);
  const dsasim::TraceReader reader(dir / "t.dsat");
  for (std::uint32_t request = 0; request < 2; ++request) {
    const auto& all = model.requests[request];
    for (std::size_t first = 0; first <= all.size(); ++first) {
      for (std::size_t last = first; last <= all.size(); ++last) {
        const std::vector<Step> slice(all.begin() + static_cast<std::ptrdiff_t>(first),
                                      all.begin() + static_cast<std::ptrdiff_t>(last));
        if (read_steps(reader, request, first, last) != slice) {
          CAPTURE(request, first, last);
          FAIL("the slice differs");
        }
      }
    }
  }
}

TEST_CASE("cursors start where chunks do, in blocks of 64 steps and between", "[trace]") {
  Random random(31);
  const Model model = random_model(random, {.requests = 1, .layers = 1, .steps = 200, .selection = 5});
  const TempDir dir;
  write(model, dir / "t.dsat", {.chunk_steps = 130});
  const dsasim::TraceReader reader(dir / "t.dsat");
  CHECK(reader.chunk_starts(0) == std::vector<std::uint64_t>{0, 130});
  const auto& all = model.requests[0];
  for (const std::ptrdiff_t first : {0, 1, 63, 64, 65, 127, 128, 129, 130, 131, 193, 194, 199, 200}) {
    CAPTURE(first);
    CHECK(read_steps(reader, 0, static_cast<std::uint64_t>(first), 200) ==
          std::vector<Step>(all.begin() + first, all.end()));
  }
}

TEST_CASE("a few selections much longer than the others come back", "[trace]") {
  Model model = empty_model(1, {300'000});
  for (std::uint32_t step = 0; step < 100; ++step) {
    Selection selection;
    selection.ids.resize(step % 40 == 7 ? 300'000 : step % 2);
    std::iota(selection.ids.begin(), selection.ids.end(), step);
    model.requests[0].push_back({selection});
  }
  const TempDir dir;
  write(model, dir / "t.dsat");
  const dsasim::TraceReader reader(dir / "t.dsat");
  check_same(read_all(reader), model);
  for (const std::ptrdiff_t first : {6, 7, 8, 26, 27, 28, 99}) {
    CHECK(read_steps(reader, 0, static_cast<std::uint64_t>(first), 100) ==
          std::vector<Step>(model.requests[0].begin() + first, model.requests[0].end()));
  }
}

TEST_CASE("cursors of one reader do not disturb each other, nor does moving them and the reader", "[trace]") {
  Random random(32);
  const Model model = random_model(random, {.requests = 1, .layers = 1, .steps = 20});
  const TempDir dir;
  write(model, dir / "t.dsat", {.chunk_steps = 6});
  dsasim::TraceReader first_reader(dir / "t.dsat");
  dsasim::RequestCursor ahead(first_reader, 0, 5, 20);
  REQUIRE(ahead.next());
  const dsasim::TraceReader reader = std::move(first_reader);
  CHECK(read_steps(reader, 0, 0, 20) == model.requests[0]);
  dsasim::RequestCursor moved = std::move(ahead);
  REQUIRE(moved.next());
  CHECK(moved.selection(0).size == model.requests[0][6][0].ids.size());
}
