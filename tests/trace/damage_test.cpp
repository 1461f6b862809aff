// A small file, cut at every byte and with every bit flipped.

#include "catch.hpp"
#include "import/captures.hpp"
#include "trace/file_layout.hpp"
#include "trace/model.hpp"
#include "trace/reseal.hpp"

#include <algorithm>
#include <optional>

using namespace traces;
using captures::TempDir;
using dsasim::trace::step_table_bytes;

namespace {

struct Sample {
  Model model;
  Bytes file;
};

/// Two requests, interleaved, in chunks of a few steps, with scores and unsorted selections.
/// `queries`: of version 2, with several a step and layers of one store.
Sample small_sample(const TempDir& dir, std::uint32_t chunk_steps = 3, std::uint32_t queries = 0) {
  Random random(40);
  Sample sample{.model = random_model(random, {.requests = 3,
                                               .layers = 2,
                                               .steps = 5,
                                               .prompt = 12,
                                               .selection = 6,
                                               .scores = true,
                                               .queries = queries,
                                               .stores = queries > 0,
                                               .unsorted = 0.5}),
                .file = {}};
  sample.model.header.provenance = "a test";
  write(sample.model, dir / "sample.dsat", {.chunk_steps = chunk_steps}, &random);
  sample.file = read_bytes(dir / "sample.dsat");
  return sample;
}

/// What whole chunks of the first `size` bytes hold; nothing if the header is not among them.
std::optional<Model> whole_chunks(const Sample& sample, std::size_t size) {
  std::size_t at = load<std::uint32_t>(sample.file.data() + 12);
  if (size < at) {
    return std::nullopt;
  }
  Model model{.header = sample.model.header, .requests = {}};
  model.requests.resize(sample.model.requests.size());
  model.queries.resize(sample.model.queries.size());
  while (at + record_size <= size && std::equal(&sample.file[at], &sample.file[at] + 4, "DSCK")) {
    const auto request = load<std::uint32_t>(&sample.file[at + 4]);
    const auto first = load<std::uint64_t>(&sample.file[at + 8]);
    const auto steps = load<std::uint32_t>(&sample.file[at + 16]);
    at += record_size + load<std::uint64_t>(&sample.file[at + 40]);
    at += model.header.has_queries ? step_table_bytes(steps) : 0;
    if (at > size) {
      break;
    }
    const auto from = sample.model.requests[request].begin() + static_cast<std::ptrdiff_t>(first);
    model.requests[request].insert(model.requests[request].end(), from, from + steps);
    if (model.header.has_queries) {
      const auto of = sample.model.queries[request].begin() + static_cast<std::ptrdiff_t>(first);
      model.queries[request].insert(model.queries[request].end(), of, of + steps);
    }
  }
  return model;
}

}  // namespace

TEST_CASE("a file cut at any byte is refused, and readable up to its last whole chunk if that is allowed", "[trace]") {
  const TempDir dir;
  const Sample sample = small_sample(dir, 3, GENERATE(0U, 3U));
  MemoryFile damaged;
  const auto path = damaged.path();
  std::size_t readable = 0;
  for (std::size_t size = 0; size < sample.file.size(); ++size) {
    CAPTURE(size);
    damaged.write({sample.file.begin(), sample.file.begin() + static_cast<std::ptrdiff_t>(size)});
    REQUIRE_FALSE(trace_error([&] { dsasim::TraceReader{path}; }).empty());
    const std::optional<Model> expected = whole_chunks(sample, size);
    if (!expected) {
      REQUIRE_FALSE(trace_error([&] { dsasim::TraceReader(path, {.allow_truncated = true}); }).empty());
      continue;
    }
    ++readable;
    const dsasim::TraceReader reader(path, {.allow_truncated = true});
    REQUIRE(reader.truncated());
    REQUIRE_NOTHROW(reader.verify());
    check_same(read_all(reader), *expected);
    REQUIRE(reader.digest() == plain_digest(*expected));
  }
  CHECK(readable > sample.file.size() / 2);
}

TEST_CASE("an uncut file is the same with and without permission to be cut", "[trace]") {
  const TempDir dir;
  const Sample sample = small_sample(dir);
  const dsasim::TraceReader reader(dir / "sample.dsat", {.allow_truncated = true});
  CHECK_FALSE(reader.truncated());
  check_same(read_all(reader), sample.model);
}

TEST_CASE("whatever bit of a file is flipped, verify finds it", "[trace]") {
  const TempDir dir;
  const Sample sample = small_sample(dir, 3, GENERATE(0U, 3U));
  MemoryFile damaged;
  const auto path = damaged.path();
  Bytes file = sample.file;
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
    file[bit / 8] ^= mask;
    damaged.write(file);
    file[bit / 8] ^= mask;
    const std::string message = trace_error([&] {
      const dsasim::TraceReader reader(path, {.allow_truncated = true});
      reader.verify();
    });
    if (message.empty()) {
      CAPTURE(bit / 8, bit % 8);
      FAIL("the flip was not found");
    }
  }
}

TEST_CASE("whatever bit is flipped, with checksums that match: an error, or a trace like any other", "[trace]") {
  // The reader's own checks alone stand between the damage and the rest of the program here.
  const TempDir dir;
  const Sample sample = small_sample(dir, 1000, GENERATE(0U, 3U));
  MemoryFile damaged;
  const auto path = damaged.path();
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * sample.file.size(); ++bit) {
    CAPTURE(bit / 8, bit % 8);
    Bytes file = sample.file;
    file[bit / 8] = static_cast<std::uint8_t>(file[bit / 8] ^ 1U << (bit % 8));
    reseal(file.data(), file.size());
    damaged.write(file);
    const std::string message = trace_error([&] {
      const dsasim::TraceReader reader(path, {.allow_truncated = true});
      const Model found = read_all(reader);
      for (std::size_t request = 0; request < found.requests.size(); ++request) {
        for (std::size_t step = 0; step < found.requests[request].size(); ++step) {
          const dsasim::DecodeStep at = reader.queries(static_cast<std::uint32_t>(request), step);
          for (std::uint32_t row = 0; row < found.requests[request][step].size(); ++row) {
            std::vector<std::uint32_t> ids = found.requests[request][step][row].ids;
            std::sort(ids.begin(), ids.end());
            REQUIRE(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
            const std::uint32_t layers = reader.layer_count();
            const std::uint64_t most =
                dsasim::begun_entries(at.seen_by(row / layers), found.header.unit_of(row % layers));
            REQUIRE((ids.empty() || found.header.ids == dsasim::IdKind::physical || ids.back() < most));
          }
        }
      }
    });
    refused += message.empty() ? 0U : 1U;
  }
  CHECK(refused > sample.file.size());
}

TEST_CASE("random bytes are no trace, with or without the first bytes of one", "[trace]") {
  MemoryFile file;
  Random random(41);
  for (int round = 0; round < 300; ++round) {
    Bytes bytes(random() % 300);
    std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<std::uint8_t>(random()); });
    const auto& magic = dsasim::trace::file_magic;
    if (round % 2 == 0 && bytes.size() >= magic.size()) {
      std::copy(magic.begin(), magic.end(), bytes.begin());
    }
    file.write(bytes);
    REQUIRE_FALSE(trace_error([&] { dsasim::TraceReader(file.path(), {.allow_truncated = true}); }).empty());
  }
}
