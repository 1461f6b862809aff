#include "fuzz/trace_mutator.hpp"

#include "dsasim/error.hpp"
#include "replay/small_traces.hpp"
#include "trace/lane.hpp"
#include "trace/lane_frame.hpp"
#include "trace/reseal.hpp"

#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace traces {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// docs/trace-format.md has the places.
struct Field {
  std::size_t at;
  std::size_t size;
};
constexpr std::array header_fields = {Field{8, 4},  Field{12, 4}, Field{16, 1}, Field{17, 1},
                                      Field{18, 2}, Field{20, 4}, Field{24, 4}, Field{28, 4},
                                      Field{32, 4}, Field{36, 8}, Field{44, 4}};
constexpr std::array head_fields = {Field{4, 4},  Field{8, 8},  Field{16, 4}, Field{20, 4},
                                    Field{24, 8}, Field{32, 4}, Field{36, 4}};
constexpr std::array end_fields = {Field{8, 8}, Field{16, 8}, Field{24, 8}, Field{32, 8}, Field{40, 8}};
constexpr std::size_t most_lane_bytes = 1U << 20U;
constexpr std::size_t streams = 13;

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : bits_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return bits_() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 bits_;
};

struct Chunk {
  Bytes head;
  Bytes table;  ///< of steps, with its checksum; empty unless they have queries
  Bytes payload;
};

// Flags of a header of version 2.
bool has_queries(const Bytes& header) {
  return load<std::uint32_t>(header.data() + 8) == 2 && (header[18] & 1U) != 0;
}
bool has_stores(const Bytes& header) {
  return load<std::uint32_t>(header.data() + 8) == 2 && (header[18] & 2U) != 0;
}

/// A file in its parts, as far as the sizes in them lead.
struct Parts {
  Bytes header;
  std::vector<Chunk> chunks;
  Bytes end;  ///< all that is left
};

std::optional<Parts> take_parts(const Bytes& file) {
  if (file.size() < 24) {
    return std::nullopt;
  }
  const auto header_bytes = load<std::uint32_t>(file.data() + 12);
  if (header_bytes < 52 || header_bytes > file.size()) {
    return std::nullopt;
  }
  const auto piece = [&file](std::size_t at, std::size_t size) {
    const auto first = file.begin() + static_cast<std::ptrdiff_t>(at);
    return Bytes(first, first + static_cast<std::ptrdiff_t>(size));
  };
  Parts parts{.header = piece(0, header_bytes), .chunks = {}, .end = {}};
  std::size_t at = header_bytes;
  while (file.size() - at >= record_size && std::equal(file.begin() + static_cast<std::ptrdiff_t>(at),
                                                       file.begin() + static_cast<std::ptrdiff_t>(at) + 4, "DSCK")) {
    const auto payload_bytes = load<std::uint64_t>(file.data() + at + 40);
    const std::size_t table_bytes =
        has_queries(parts.header) ? 4 * std::size_t{load<std::uint32_t>(file.data() + at + 16)} + 8 : 0;
    const std::size_t left = file.size() - at - record_size;
    if (table_bytes > left || payload_bytes > left - table_bytes) {
      break;
    }
    parts.chunks.push_back({.head = piece(at, record_size),
                            .table = piece(at + record_size, table_bytes),
                            .payload = piece(at + record_size + table_bytes, payload_bytes)});
    at += record_size + table_bytes + payload_bytes;
  }
  parts.end = piece(at, file.size() - at);
  return parts;
}

/// The sizes and sums that follow from the parts are made right, unless `sums` is false.
Bytes put_together(Parts parts, bool sums) {
  Bytes file = parts.header;
  std::uint64_t accesses = 0;
  for (Chunk& chunk : parts.chunks) {
    store(chunk.head.data() + 40, std::uint64_t{chunk.payload.size()});
    accesses += load<std::uint64_t>(chunk.head.data() + 24);
    file.insert(file.end(), chunk.head.begin(), chunk.head.end());
    file.insert(file.end(), chunk.table.begin(), chunk.table.end());
    file.insert(file.end(), chunk.payload.begin(), chunk.payload.end());
  }
  if (sums && parts.end.size() == record_size) {
    store(parts.end.data() + 8, std::uint64_t{parts.chunks.size()});
    store(parts.end.data() + 16, accesses);
    store(parts.end.data() + 24, std::uint64_t{file.size() + record_size});
  }
  file.insert(file.end(), parts.end.begin(), parts.end.end());
  return file;
}

/// Small numbers, those next to the one there, and those at the ends of the types.
std::uint64_t other_value(std::uint64_t value, Draws& draws) {
  switch (draws.below(6)) {
    case 0:
      return draws.below(8);
    case 1:
      return value + 1 + draws.below(4);
    case 2:
      return value - 1 - draws.below(4);
    case 3:
      return std::uint64_t{1} << draws.below(64);
    case 4:
      return (std::uint64_t{1} << draws.below(64)) - 1;
    default:
      return value ^ (std::uint64_t{1} << draws.below(32));
  }
}

void change_field(Bytes& bytes, Field field, Draws& draws) {
  if (field.at > bytes.size() || field.size > bytes.size() - field.at) {
    return;
  }
  std::uint64_t value = 0;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(field.at), field.size,
              reinterpret_cast<std::uint8_t*>(&value));
  value = other_value(value, draws);
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&value), field.size,
              bytes.begin() + static_cast<std::ptrdiff_t>(field.at));
}

template <class Fields>
void change_one_of(Bytes& bytes, const Fields& fields, Draws& draws) {
  change_field(bytes, fields[draws.below(fields.size())], draws);
}

/// A field of the KV store of a layer, at the header's end.
void change_store(Bytes& header, Draws& draws) {
  constexpr std::array fields = {Field{0, 4}, Field{4, 4}, Field{8, 4}, Field{12, 8}};
  const std::uint64_t layers =
      std::min<std::uint64_t>(load<std::uint32_t>(header.data() + 28), (header.size() - 60) / 20);
  if (layers > 0) {
    const Field field = fields[draws.below(fields.size())];
    change_field(header, Field{header.size() - 8 - 20 * (1 + draws.below(layers)) + field.at, field.size}, draws);
  }
}

/// A layer's or a request's entry at the header's end.
void change_entry(Bytes& header, Draws& draws) {
  if (has_stores(header)) {
    change_store(header, draws);
    return;
  }
  const std::uint64_t requests = std::min<std::uint64_t>(load<std::uint32_t>(header.data() + 32), header.size() / 12);
  if (draws.one_in(2) && requests > 0) {
    const std::size_t at = header.size() - 8 - 12 * (1 + draws.below(requests));
    change_field(header, draws.one_in(2) ? Field{at, 8} : Field{at + 8, 4}, draws);
  } else if (const std::size_t after = 12 * requests + 8 + 8 * (1 + draws.below(4)); after < header.size()) {
    const std::size_t at = header.size() - after;
    change_field(header, draws.one_in(2) ? Field{at, 4} : Field{at + 4, 4}, draws);
  }
}

// ---- Lanes ----

struct Lane {
  std::size_t table_at = 0;  ///< in the payload
  std::size_t at = 0;
  std::size_t size = 0;
  Bytes plain;
};

std::optional<Lane> take_lane(const Chunk& chunk, std::size_t layers, std::size_t layer) {
  if (chunk.payload.size() < 8 * layers) {
    return std::nullopt;
  }
  Lane lane{.table_at = 8 * layer, .at = 8 * layers};
  for (std::size_t before = 0; before < layer; ++before) {
    lane.at += load<std::uint32_t>(chunk.payload.data() + 8 * before);
  }
  lane.size = load<std::uint32_t>(chunk.payload.data() + lane.table_at);
  const std::size_t plain_bytes = load<std::uint32_t>(chunk.payload.data() + lane.table_at + 4);
  if (lane.at > chunk.payload.size() || lane.size > chunk.payload.size() - lane.at || plain_bytes > most_lane_bytes ||
      plain_bytes < 8 * streams) {
    return std::nullopt;
  }
  lane.plain.resize(plain_bytes);
  if (ZSTD_decompress(lane.plain.data(), plain_bytes, chunk.payload.data() + lane.at, lane.size) != plain_bytes) {
    return std::nullopt;
  }
  return lane;
}

void put_lane(Chunk& chunk, const Lane& lane) {
  Bytes frame(ZSTD_compressBound(lane.plain.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), lane.plain.data(), lane.plain.size(), 1));
  store(chunk.payload.data() + lane.table_at, static_cast<std::uint32_t>(frame.size()));
  store(chunk.payload.data() + lane.table_at + 4, static_cast<std::uint32_t>(lane.plain.size()));
  const auto first = chunk.payload.begin() + static_cast<std::ptrdiff_t>(lane.at);
  chunk.payload.erase(first, first + static_cast<std::ptrdiff_t>(lane.size));
  chunk.payload.insert(chunk.payload.begin() + static_cast<std::ptrdiff_t>(lane.at), frame.begin(), frame.end());
}

/// One stream's stored bytes, with the table that says how many there are.
void change_stream(Bytes& plain, Draws& draws) {
  const std::size_t chosen = draws.below(streams);
  std::size_t at = 8 * streams;
  for (std::size_t before = 0; before < chosen; ++before) {
    at += load<std::uint32_t>(plain.data() + 8 * before);
  }
  const std::size_t size = load<std::uint32_t>(plain.data() + 8 * chosen);
  if (at > plain.size() || size > plain.size() - at) {
    return;
  }
  const auto first = plain.begin() + static_cast<std::ptrdiff_t>(at);
  Bytes stream(first, first + static_cast<std::ptrdiff_t>(size));
  const std::size_t longer = size + (draws.one_in(4) ? 8 : 0);
  stream.resize(longer);
  stream.resize(longer == 0 ? 0 : LLVMFuzzerMutate(stream.data(), size, longer));
  const bool as_it_is = load<std::uint32_t>(plain.data() + 8 * chosen + 4) == size;
  store(plain.data() + 8 * chosen, static_cast<std::uint32_t>(stream.size()));
  if (as_it_is) {
    store(plain.data() + 8 * chosen + 4, static_cast<std::uint32_t>(stream.size()));
  }
  plain.erase(first, first + static_cast<std::ptrdiff_t>(size));
  plain.insert(plain.begin() + static_cast<std::ptrdiff_t>(at), stream.begin(), stream.end());
}

/// What the selections of a lane come to, as a chunk's head has it.
struct Counts {
  std::uint64_t accesses = 0;
  std::uint32_t longest_selection = 0;
  std::uint32_t id_limit = 0;
};

/// Throws TraceError where a lane cannot be decoded.
void count_lane(const Bytes& frame, std::size_t plain_bytes, std::uint32_t steps, std::uint64_t id_limit, bool scores,
                Counts& counts) {
  dsasim::trace::LaneUnpacker unpacker;
  dsasim::trace::LaneDecoder decoder(scores);
  decoder.begin(unpacker.unpack(frame, static_cast<std::uint32_t>(plain_bytes), most_lane_bytes,
                                dsasim::trace::stream_slack(id_limit), "lane"),
                steps, id_limit, "lane");
  while (decoder.steps_left() > 0) {
    const std::uint32_t length = decoder.next_length();
    decoder.next(nullptr, nullptr);
    counts.accesses += length;
    counts.longest_selection = std::max(counts.longest_selection, length);
    counts.id_limit = std::max(counts.id_limit, length == 0 ? 0 : decoder.largest_id() + 1);
  }
}

/// Makes the head's counts those of its lanes, if they can be decoded: other ids in other numbers than a writer's.
void recount(Chunk& chunk, std::size_t layers, bool scores) {
  constexpr std::uint64_t most_ids = 1U << 16U;
  std::uint64_t rows = load<std::uint32_t>(chunk.head.data() + 16);
  if (!chunk.table.empty()) {
    rows = 0;
    for (std::size_t at = 0; at + 8 < chunk.table.size(); at += 4) {
      rows += load<std::uint16_t>(chunk.table.data() + at);
    }
  }
  Counts counts;
  try {
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const std::optional<Lane> lane = take_lane(chunk, layers, layer);
      if (!lane || rows > 4096) {
        return;
      }
      const auto first = chunk.payload.begin() + static_cast<std::ptrdiff_t>(lane->at);
      count_lane(Bytes(first, first + static_cast<std::ptrdiff_t>(lane->size)), lane->plain.size(),
                 static_cast<std::uint32_t>(rows), most_ids, scores, counts);
    }
  } catch (const dsasim::TraceError&) {
    return;
  }
  store(chunk.head.data() + 20, counts.longest_selection);
  store(chunk.head.data() + 24, counts.accesses);
  store(chunk.head.data() + 32, counts.id_limit);
}

/// The queries of a step, or those accepted.
void change_steps(Chunk& chunk, Draws& draws) {
  change_field(chunk.table, Field{2 * draws.below((chunk.table.size() - 8) / 2 + 1), 2}, draws);
}

void change_lane(Parts& parts, Draws& draws) {
  const std::size_t layers = load<std::uint32_t>(parts.header.data() + 28);
  if (layers == 0 || layers > 1024) {
    return;
  }
  Chunk& chunk = parts.chunks[draws.below(parts.chunks.size())];
  std::optional<Lane> lane = take_lane(chunk, layers, draws.below(layers));
  if (!lane) {
    return;
  }
  if (draws.one_in(8)) {
    change_field(lane->plain, Field{4 * draws.below(2 * streams), 4}, draws);
  } else {
    change_stream(lane->plain, draws);
  }
  put_lane(chunk, *lane);
  if (draws.one_in(2)) {
    recount(chunk, layers, parts.header[17] != 0);
  }
}

// ---- Chunks ----

void change_chunks(Parts& parts, Draws& draws) {
  const auto chosen = parts.chunks.begin() + static_cast<std::ptrdiff_t>(draws.below(parts.chunks.size()));
  switch (draws.below(3)) {
    case 0:
      parts.chunks.erase(chosen);
      break;
    case 1:
      parts.chunks.insert(chosen, Chunk(*chosen));
      break;
    default:
      std::iter_swap(chosen, parts.chunks.begin());
  }
}

/// A whole trace of a random batch: what its readers take.
Bytes another_trace(Draws& draws, std::size_t max_size) {
  static const int file = ::memfd_create("other", 0);
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  for (int tries = 0; tries < 20; ++tries) {
    const auto chunk_steps = static_cast<std::uint32_t>(1 + draws.below(40));
    dsasim::test::write_trace(path, dsasim::test::random_batch(draws.below(~std::uint64_t{0})), chunk_steps);
    Bytes bytes(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)));
    if (bytes.size() <= max_size) {
      return ::pread(file, bytes.data(), bytes.size(), 0) < 0 ? Bytes() : bytes;
    }
  }
  return {};
}

Bytes changed(const Bytes& file, std::size_t max_size, Draws& draws) {
  std::optional<Parts> parts = take_parts(file);
  if (!parts || draws.one_in(256)) {
    return another_trace(draws, max_size);
  }
  if (!parts->chunks.empty() && draws.one_in(8)) {
    if (Chunk& chunk = parts->chunks[draws.below(parts->chunks.size())]; !chunk.table.empty()) {
      change_steps(chunk, draws);
      return put_together(std::move(*parts), true);
    }
  }
  const std::uint64_t kind = parts->chunks.empty() ? draws.below(3) : draws.below(12);
  if (kind == 0) {
    change_one_of(parts->header, header_fields, draws);
  } else if (kind == 1) {
    change_entry(parts->header, draws);
  } else if (kind == 2) {
    change_one_of(parts->end, end_fields, draws);
    return put_together(std::move(*parts), false);
  } else if (kind == 3) {
    change_chunks(*parts, draws);
  } else if (kind <= 5) {
    change_one_of(parts->chunks[draws.below(parts->chunks.size())].head, head_fields, draws);
  } else if (kind == 6) {
    Chunk& chunk = parts->chunks[draws.below(parts->chunks.size())];
    change_field(chunk.payload,
                 Field{4 * draws.below(2 * std::uint64_t{load<std::uint32_t>(parts->header.data() + 28)} + 1), 4},
                 draws);
  } else {
    change_lane(*parts, draws);
  }
  return put_together(std::move(*parts), !draws.one_in(8));
}

}  // namespace

std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned int seed) {
  Draws draws(seed);
  if (draws.one_in(8)) {
    size = LLVMFuzzerMutate(data, size, max_size);
  } else {
    const Bytes file = changed(Bytes(data, data + size), max_size, draws);
    if (file.size() <= max_size) {
      std::copy(file.begin(), file.end(), data);
      size = file.size();
    }
  }
  if (!draws.one_in(16)) {  // now and then a checksum stays wrong
    reseal(data, size);
  }
  return size;
}

}  // namespace traces
