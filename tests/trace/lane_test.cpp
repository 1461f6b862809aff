// The codec of one lane, without a file around it.

#include "trace/lane.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "trace/lane_frame.hpp"
#include "trace/model.hpp"

#include <algorithm>

using namespace dsasim::trace;
using dsasim::EntryId;
using traces::Random;
using traces::Selection;

namespace {

std::vector<InstructionSet> instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : {InstructionSet::portable, InstructionSet::bmi2, InstructionSet::avx512}) {
    if (supported(set)) {
      sets.push_back(set);
    }
  }
  return sets;
}

StreamBytes encode(const std::vector<Selection>& selections, bool has_scores) {
  LaneEncoder encoder(has_scores);
  std::vector<EntryId> ids;
  for (const Selection& selection : selections) {
    ids.clear();
    for (const std::uint32_t id : selection.ids) {
      ids.push_back(EntryId{id});
    }
    REQUIRE(encoder.append(ids, selection.scores) == ids.size());
  }
  return encoder.take();
}

std::vector<std::uint32_t> ids_of(std::span<const std::uint64_t> set) {
  std::vector<std::uint32_t> ids;
  for (std::uint32_t id = 0; id < 64 * set.size(); ++id) {
    if ((set[id / 64] >> (id % 64) & 1U) != 0) {
      ids.push_back(id);
    }
  }
  return ids;
}

std::vector<std::uint32_t> sorted(std::vector<std::uint32_t> ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<Selection> decode(const StreamBytes& streams, std::size_t steps, std::uint64_t id_limit, bool has_scores,
                              InstructionSet set) {
  const LaneFrame frame = pack_lane(streams);
  LaneUnpacker unpacker;
  LaneDecoder decoder(has_scores, set);
  decoder.begin(unpacker.unpack(frame.compressed, frame.plain_bytes, ~0U, stream_slack(id_limit), "lane"),
                static_cast<std::uint32_t>(steps), id_limit, "lane");
  std::vector<Selection> selections;
  for (std::size_t step = 0; step < steps; ++step) {
    // No more room than is promised, on the heap: a sanitizer sees what goes beyond.
    const std::uint32_t length = decoder.next_length();
    std::vector<EntryId> ids(length + decode_slack);
    Selection& selection = selections.emplace_back();
    selection.scores.resize(has_scores ? length : 0);
    decoder.next(ids.data(), has_scores ? selection.scores.data() : nullptr);
    std::uint32_t largest = 0;
    for (std::uint32_t i = 0; i < length; ++i) {
      selection.ids.push_back(value(ids[i]));
      largest = std::max(largest, value(ids[i]));
    }
    REQUIRE(decoder.largest_id() == largest);
    REQUIRE(ids_of(decoder.set()) == sorted(selection.ids));
  }
  decoder.check_exhausted();
  return selections;
}

std::uint64_t limit_of(const std::vector<Selection>& selections) {
  std::uint64_t limit = 0;
  for (const Selection& selection : selections) {
    for (const std::uint32_t id : selection.ids) {
      limit = std::max(limit, std::uint64_t{id} + 1);
    }
  }
  return limit;
}

std::vector<Selection> random_lane(Random& random, const traces::Shape& shape) {
  std::vector<Selection> selections;
  const traces::Model model = random_model(random, shape);
  for (const traces::Step& step : model.requests[0]) {
    selections.push_back(step[0]);
  }
  return selections;
}

}  // namespace

TEST_CASE("every gap below 2^31 has a symbol, and the smallest gap of each symbol is as the table says", "[trace]") {
  const auto check = [](std::uint32_t gap) {
    const GapCode code = encode_gap(gap);
    REQUIRE(code.symbol < gap_symbols);
    REQUIRE(code.extra_bits == gap_extra_bits(code.symbol));
    REQUIRE(code.extra < std::uint64_t{1} << code.extra_bits);
    REQUIRE(gap_base(code.symbol) + code.extra == gap);
  };
  for (std::uint32_t gap = 0; gap < 100'000; ++gap) {
    check(gap);
  }
  Random random(50);
  for (int round = 0; round < 100'000; ++round) {
    check(static_cast<std::uint32_t>((random() & 0x7FFF'FFFF) >> (random() % 31)));
  }
  for (unsigned bit = 4; bit < 31; ++bit) {
    check((1U << bit) - 1);
    check(1U << bit);
  }
  check(0x7FFF'FFFF);
  for (unsigned symbol = 0; symbol < gap_symbols; ++symbol) {
    REQUIRE(encode_gap(gap_base(symbol)).symbol == symbol);
    REQUIRE((symbol == 0 || encode_gap(gap_base(symbol) - 1).symbol == symbol - 1));
  }
  CHECK(encode_gap(0x7FFF'FFFF).symbol == gap_symbols - 1);
  CHECK(gap_symbols == 124);
}

TEST_CASE("lanes come back on every instruction set", "[trace]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const bool scores = seed % 2 == 1;
    const std::vector<Selection> selections =
        random_lane(random, {.requests = 1,
                             .layers = 1,
                             .steps = static_cast<std::uint32_t>(1 + random() % 150),
                             .prompt = 1 + random() % 3000,
                             .selection = static_cast<std::uint32_t>(1 + random() % 600),
                             .physical_ids = seed % 4 == 0 ? 1'000'000U : 0U,
                             .scores = scores,
                             .unsorted = seed % 3 == 0 ? 0.3 : 0});
    const StreamBytes streams = encode(selections, scores);
    for (const InstructionSet set : instruction_sets()) {
      CAPTURE(static_cast<int>(set));
      REQUIRE(decode(streams, selections.size(), limit_of(selections), scores, set) == selections);
    }
  }
}

TEST_CASE("words of one bit to 64 come back on every instruction set", "[trace]") {
  std::vector<Selection> selections;
  for (std::uint32_t count = 0; count <= 64; ++count) {
    Selection selection;
    for (std::uint32_t word = 0; word < 20; ++word) {
      for (std::uint32_t bit = 0; bit < (word % 2 == 0 ? count : 64 - count); ++bit) {
        selection.ids.push_back(word * 64 + bit);
      }
    }
    selections.push_back(selection);
  }
  const StreamBytes streams = encode(selections, false);
  for (const InstructionSet set : instruction_sets()) {
    CAPTURE(static_cast<int>(set));
    CHECK(decode(streams, selections.size(), limit_of(selections), false, set) == selections);
  }
}

TEST_CASE("an encoder that gave its streams away starts afresh", "[trace]") {
  Random random(51);
  const std::vector<Selection> selections = random_lane(random, {.requests = 1, .layers = 1, .steps = 40});
  LaneEncoder encoder(false);
  std::vector<StreamBytes> twice;
  for (int round = 0; round < 2; ++round) {
    for (const Selection& selection : selections) {
      std::vector<EntryId> ids;
      for (const std::uint32_t id : selection.ids) {
        ids.push_back(EntryId{id});
      }
      encoder.append(ids, {});
    }
    twice.push_back(encoder.take());
  }
  CHECK(twice[0] == twice[1]);
}

TEST_CASE("the encoder names the first id that repeats", "[trace]") {
  LaneEncoder encoder(false);
  const std::vector<EntryId> ids = {EntryId{7}, EntryId{700}, EntryId{3}, EntryId{700}, EntryId{7}};
  CHECK(encoder.append(ids, {}) == 3);
}

TEST_CASE("a larger limit of the ids than the largest changes nothing", "[trace]") {
  // Neither does how the planes are divided into blocks: the format knows ids only.
  Random random(52);
  const std::vector<Selection> selections = random_lane(random, {.requests = 1, .layers = 1, .steps = 80});
  const StreamBytes streams = encode(selections, false);
  for (const std::uint64_t more : {1U, 63U, 64U, 511U, 512U, 513U, 100'000U}) {
    CHECK(decode(streams, selections.size(), limit_of(selections) + more, false, best_instruction_set()) == selections);
  }
}

TEST_CASE("a lane's frame gives back its streams, with zero bytes dropped or not", "[trace]") {
  Random random(53);
  LaneUnpacker unpacker;  // one for all: what a longer lane left behind must not show
  for (const unsigned percent : {0U, 40U, 51U, 90U, 100U}) {
    for (const std::size_t size : {1000U, 0U, 1U, 7U, 8U, 9U}) {
      CAPTURE(percent, size);
      StreamBytes streams;
      for (auto& bytes : streams) {
        bytes.resize(size);
        std::generate(bytes.begin(), bytes.end(), [&] {
          return random() % 100 < percent ? std::uint8_t{0} : static_cast<std::uint8_t>(1 + random() % 255);
        });
      }
      const LaneFrame frame = pack_lane(streams);
      const StreamViews views =
          unpacker.unpack(frame.compressed, frame.plain_bytes, size * stream_count, /*slack_bytes=*/0, "lane");
      for (std::size_t i = 0; i < stream_count; ++i) {
        CHECK(std::equal(views[i].begin(), views[i].end(), streams[i].begin(), streams[i].end()));
      }
      if (size != 0) {
        CHECK_THROWS_AS(unpacker.unpack(frame.compressed, frame.plain_bytes, size * stream_count - 1, 0, "lane"),
                        dsasim::TraceError);
      }
    }
  }
}

TEST_CASE("no byte of a stream can be changed so that decoding does anything but give ids or an error", "[trace]") {
  Random random(54);
  const std::vector<Selection> selections = random_lane(
      random,
      {.requests = 1, .layers = 1, .steps = 40, .prompt = 60, .selection = 12, .scores = true, .unsorted = 0.3});
  const std::uint64_t limit = limit_of(selections);
  const StreamBytes good = encode(selections, true);
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    StreamBytes bad = good;
    for (std::uint64_t change = random() % 3 + 1; change != 0; --change) {
      auto& bytes = bad[random() % stream_count];
      switch (random() % 4) {
        case 0:
          bytes.resize(bytes.empty() ? 0 : random() % bytes.size());
          break;
        case 1:
          bytes.push_back(static_cast<std::uint8_t>(random()));
          break;
        default:
          if (!bytes.empty()) {
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
          }
      }
    }
    std::vector<std::vector<Selection>> results;
    std::vector<std::string> messages;
    for (const InstructionSet set : instruction_sets()) {
      results.emplace_back();
      messages.push_back(
          traces::trace_error([&] { results.back() = decode(bad, selections.size(), limit, true, set); }));
    }
    for (std::size_t i = 1; i < results.size(); ++i) {
      REQUIRE(messages[i] == messages[0]);
      REQUIRE(results[i] == results[0]);
    }
    refused += messages[0].empty() ? 0 : 1;
  }
  CHECK(refused > 1000);
}
