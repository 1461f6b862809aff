#include "import/slots.hpp"

#include "captures.hpp"
#include "catch.hpp"
#include "dsasim/trace/reader.hpp"
#include "reading.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

namespace {

/// A request as a serving stack decodes it: positions selected in two layers, and the slots that hold them.
struct Request {
  std::uint64_t prompt = 0;
  std::uint32_t top_k = 0;
  Values positions;  ///< (steps, 2, top_k), padded
  Values slots;      ///< the same
};

/// Pages come from anywhere in a pool of a thousand. Each step selects the newest position and others at random, in
/// random order; all of them in order while they fit.
Request simulate(std::uint64_t prompt, std::uint64_t steps, std::uint32_t top_k, std::uint32_t page,
                 std::mt19937& random) {
  std::vector<std::int64_t> pool(1000);
  std::iota(pool.begin(), pool.end(), 100);
  std::shuffle(pool.begin(), pool.end(), random);
  Request request{.prompt = prompt, .top_k = top_k, .positions = {}, .slots = {}};
  for (std::uint64_t context = prompt + 1; context <= prompt + steps; ++context) {
    for (int layer = 0; layer < 2; ++layer) {
      Values row(context);
      std::iota(row.begin(), row.end(), 0);
      if (context > top_k) {
        std::shuffle(row.begin(), row.end() - 1, random);
        std::swap(row[random() % top_k], row.back());
      }
      row.resize(top_k, -1);
      request.positions.insert(request.positions.end(), row.begin(), row.end());
      for (const std::int64_t position : row) {
        request.slots.push_back(
            position < 0 ? -1 : pool[static_cast<std::size_t>(position / page)] * page + position % page);
      }
    }
  }
  return request;
}

std::string shape_of(const Request& request) {
  return fmt::format("({}, 2, {})", request.slots.size() / (2 * request.top_k), request.top_k);
}

/// The digest of a trace of these ids, and what is said of them.
std::string digest(const TempDir& dir, const Request& request, const Values& ids, IdClaim claim,
                   ImportedIds& imported) {
  write_file(dir / "a.npy", npy(shape_of(request), ids));
  ImportOptions options;
  options.prompt_tokens = request.prompt;
  options.ids = claim;
  const std::vector<std::filesystem::path> inputs{dir / "a.npy"};
  imported = import_captures(inputs, dir / "out.dsat", options);
  const TraceReader trace(dir / "out.dsat");
  CHECK(trace.header().ids == imported.kind);
  return trace.digest();
}

}  // namespace

TEST_CASE("the first id outside the context is found", "[import][slots]") {
  CHECK_FALSE(find_slot(Values{3, -1, 0}, 4).has_value());
  CHECK(find_slot(Values{3, -1, 5, 4}, 4) == std::size_t{2});
  CHECK_FALSE(find_slot({}, 0).has_value());
}

TEST_CASE("half of the selections prove slots, and two ids", "[import][slots]") {
  SlotWitnesses witnesses;
  witnesses.add(Values{500, 1, 2, 3}, 4, 100);
  CHECK_FALSE(witnesses.prove_slots());  // one id
  witnesses.add(Values{400, 1, 2, -1}, 4, 101);
  CHECK(witnesses.prove_slots());
  witnesses.add(Values{-1, -1, -1, -1}, 4, 102);  // selects nothing, and says nothing
  witnesses.add(Values{4, 5, 6, 7, 8, 9, 10, 11}, 4, 102);
  CHECK(witnesses.selections() == 4);
  CHECK(witnesses.witnesses() == 2);
  CHECK(witnesses.prove_slots());
  witnesses.add(Values{4, 5, 6, 7}, 4, 103);
  CHECK_FALSE(witnesses.prove_slots());  // two of five
}

TEST_CASE("the first selections are enough", "[import][slots]") {
  SlotWitnesses witnesses;
  for (std::uint64_t step = 0; step < SlotWitnesses::enough; ++step) {
    CHECK_FALSE(witnesses.has_enough());
    const auto far = static_cast<std::int64_t>(step % 2 == 0 ? 1000 + step : 1);
    witnesses.add(Values{far}, 1, 100);
  }
  CHECK(witnesses.has_enough());
  CHECK(witnesses.prove_slots());
  witnesses.add(Values{1}, 1, 100);
  CHECK(witnesses.selections() == SlotWitnesses::enough);
}

TEST_CASE("positions of rows that begin late are no slots", "[import][slots]") {
  // Each selects its own position, which is 2 behind that of its row.
  SlotWitnesses late;
  SlotWitnesses in_order;
  for (std::int64_t own = 50; own < 60; ++own) {
    late.add(Values{own, own - 40, 1, 7}, 4, static_cast<std::uint64_t>(own - 1));
    in_order.add(Values{own, own - 40, 2, 7}, 4, static_cast<std::uint64_t>(own - 1));  // slot 2 is the first
  }
  CHECK_FALSE(late.prove_slots());
  CHECK(in_order.prove_slots());
}

TEST_CASE("positions are recovered from slots", "[import][slots]") {
  const TempDir dir;
  const auto [prompt, top_k, page] = GENERATE(table<std::uint64_t, std::uint32_t, std::uint32_t>(
      {{50, 100, 64}, {64, 65, 64}, {127, 130, 64}, {0, 10, 64}, {50, 100, 1}, {3, 40, 1}}));
  CAPTURE(prompt, top_k, page);
  std::mt19937 random(17);
  const Request request = simulate(prompt, 300, top_k, page, random);
  ImportedIds ids;
  const std::string expected = digest(dir, request, request.positions, IdClaim::logical, ids);
  CHECK(ids.note.empty());
  CHECK(digest(dir, request, request.positions, IdClaim::automatic, ids) == expected);
  CHECK(ids.note.empty());
  CHECK(digest(dir, request, request.slots, IdClaim::automatic, ids) == expected);
  CHECK(ids.kind == IdKind::logical);
  CHECK(ids.note.ends_with(fmt::format("the positions they hold were recovered, with pages of {}", page)));
}

TEST_CASE("slots stay where a position is uncertain", "[import][slots]") {
  const TempDir dir;
  std::mt19937 random(23);
  Request request = simulate(50, 200, 100, 64, random);
  std::string reason;
  SECTION("the prompt is longer than a selection") {
    request = simulate(500, 20, 100, 64, random);
    reason = "a.npy, step 0: no selection of its first step lists all 501 entries";
  }
  SECTION("a selection of everything is out of order") {
    std::swap(request.slots[0], request.slots[1]);
    reason = fmt::format(
        "a.npy, step 0: a selection of all 51 entries has slot {} at place 0, which does not fit pages of 64",
        request.slots[0]);
  }
  SECTION("the request's slots change while it decodes") {
    for (std::size_t i = request.slots.size() / 2; i < request.slots.size(); ++i) {
      request.slots[i] += request.slots[i] < 0 ? 0 : 100000;
    }
    reason = "could hold a position of 0 pages of 64, in a context of 151 entries";
  }
  ImportedIds ids;
  digest(dir, request, request.slots, IdClaim::automatic, ids);
  CHECK(ids.kind == IdKind::physical);
  CHECK(ids.note.find("positions are uncertain (") != std::string::npos);
  CHECK(dir.strip(ids.note).find(reason) != std::string::npos);
  // As if the user had said so.
  const std::string found = TraceReader(dir / "out.dsat").digest();
  CHECK(digest(dir, request, request.slots, IdClaim::physical, ids) == found);
  CHECK(ids.note.empty());
}

TEST_CASE("a page is certain only if it is the only one that is possible", "[import][slots]") {
  SlotPages pages(4);
  REQUIRE(pages.learn(Values{40, 41, 42, -1}, 4, 3));
  REQUIRE(pages.learn(Values{40, 41, 42, 43}, 4, 4));
  CHECK(pages.position(43) == std::int64_t{3});
  CHECK_FALSE(pages.position(44).has_value());
  for (std::uint64_t context = 5; context <= 8; ++context) {
    REQUIRE(pages.learn(Values{43, 42, 41, 40}, 4, context));  // the page of 4 to 7 is not selected from
  }
  SECTION("of two unknown pages, the newer has not yet the place") {
    REQUIRE(pages.learn(Values{81, -1, -1, -1}, 4, 9));
    CHECK(pages.position(81) == std::int64_t{5});
    REQUIRE(pages.learn(Values{60, -1, -1, -1}, 4, 9));  // so the other is the newer
    CHECK(pages.position(60) == std::int64_t{8});
    CHECK_FALSE(pages.learn(Values{61, -1, -1, -1}, 4, 9));
    CHECK(pages.reason() == "slot 61 would hold a position beyond the context of 9 entries");
  }
  SECTION("both have it") {
    CHECK_FALSE(pages.learn(Values{80, -1, -1, -1}, 4, 9));
    CHECK(pages.reason() == "slot 80 could hold a position of 2 pages of 4, in a context of 9 entries");
  }
}

TEST_CASE("ids are examined for sglang unless an id stands for several tokens", "[import][slots]") {
  const TempDir dir;
  // One layer, two ids, a prompt of 1: slots 640, then 640 and 641.
  write_file(dir / "r.json",
             sglang_response({0, 0, 640, 641, 641, 640}, R"(, "prompt_tokens": 1, "completion_tokens": 3)"));
  const std::vector<std::filesystem::path> inputs{dir / "r.json"};
  ImportOptions options;
  options.layers = 1;
  const ImportedIds ids = import_captures(inputs, dir / "out.dsat", options);
  CHECK(
      dir.strip(ids.note) ==
      "ids are slots (r.json, step 0, layer 0: id 640 lies outside the context of 2; so do ids of 2 of 2 selections); "
      "the positions they hold were recovered, with pages of 64");
  CHECK(TraceReader(dir / "out.dsat").header().ids == IdKind::logical);
  options.ids = IdClaim::logical;
  CHECK(error_of(dir, [&] {
          import_captures(inputs, dir / "out.dsat", options);
        }).find("id 640 lies outside the context of 2 entries") != std::string::npos);
  options.ids.reset();
  options.unit_tokens = 4;
  CHECK(error_of(dir, [&] {
          import_captures(inputs, dir / "out.dsat", options);
        }).find("id 640 lies outside the context of 1 entries") != std::string::npos);
}
