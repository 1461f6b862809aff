// Decodes any bytes as a lane, after zstd: what checksums and compression keep trace_fuzz from changing. All
// instruction sets must come to the same ids or the same error, and no selection may hold an id twice or beyond the
// limit.
//
// The input: one byte of flags, one byte of steps, two bytes of the limit of the ids, then the lane's content.

#include "dsasim/error.hpp"
#include "trace/lane.hpp"
#include "trace/lane_frame.hpp"

#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace dsasim::trace;

struct Outcome {
  std::vector<std::vector<dsasim::EntryId>> selections;
  std::vector<std::uint16_t> scores;
  std::string error;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void check(const std::vector<dsasim::EntryId>& ids, std::uint64_t id_limit, std::uint32_t largest) {
  std::vector<dsasim::EntryId> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end() ||
      (!sorted.empty() && (value(sorted.back()) >= id_limit || value(sorted.back()) != largest))) {
    std::abort();
  }
}

Outcome decode(const StreamViews& streams, std::uint32_t steps, std::uint64_t id_limit, bool scores,
               InstructionSet set) {
  Outcome outcome;
  try {
    LaneDecoder lane(scores, set);
    lane.begin(streams, steps, id_limit, "lane");
    for (std::uint32_t step = 0; step < steps; ++step) {
      const std::uint32_t length = lane.next_length();
      std::vector<dsasim::EntryId> ids(length + decode_slack);
      std::vector<std::uint16_t> own_scores(length);
      lane.next(ids.data(), scores ? own_scores.data() : nullptr);
      ids.resize(length);
      check(ids, id_limit, lane.largest_id());
      outcome.selections.push_back(std::move(ids));
      outcome.scores.insert(outcome.scores.end(), own_scores.begin(), own_scores.end());
    }
    lane.check_exhausted();
  } catch (const dsasim::TraceError& error) {
    outcome.error = error.what();
  }
  return outcome;
}

std::vector<std::uint8_t> compress(std::span<const std::uint8_t> plain) {
  std::vector<std::uint8_t> frame(ZSTD_compressBound(plain.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), 1));
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) {
    return 0;
  }
  const bool scores = (data[0] & 1U) != 0;
  const std::uint32_t steps = data[1];
  const std::uint64_t id_limit = data[2] + std::uint64_t{256} * data[3];
  const std::span<const std::uint8_t> plain(data + 4, size - 4);
  LaneUnpacker unpacker;
  StreamViews streams;
  try {
    streams = unpacker.unpack(compress(plain), static_cast<std::uint32_t>(plain.size()), 1U << 20U,
                              stream_slack(id_limit), "lane");
  } catch (const dsasim::TraceError&) {
    return 0;
  }
  const Outcome expected = decode(streams, steps, id_limit, scores, InstructionSet::portable);
  for (const InstructionSet set : {InstructionSet::bmi2, InstructionSet::avx512}) {
    if (supported(set) && decode(streams, steps, id_limit, scores, set) != expected) {
      std::abort();
    }
  }
  return 0;
}
