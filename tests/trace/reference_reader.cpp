#include "trace/reference_reader.hpp"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <stdexcept>

namespace traces {
namespace {

using Ids = std::set<std::uint32_t>;

void expect(bool holds, const char* what) {
  if (!holds) {
    throw std::runtime_error(what);
  }
}

/// Little-endian fields from front to back.
class Fields {
 public:
  explicit Fields(Bytes bytes) : bytes_(std::move(bytes)) {}

  std::uint64_t take(std::size_t size) {
    std::uint64_t value = 0;
    const Bytes raw = take_bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
      value += std::uint64_t{raw[i]} << (8 * i);
    }
    return value;
  }
  std::uint32_t take_u32() { return static_cast<std::uint32_t>(take(4)); }
  Bytes take_bytes(std::size_t size) {
    expect(size <= left(), "the bytes end within a field");
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(at_);
    at_ += size;
    return {from, from + static_cast<std::ptrdiff_t>(size)};
  }
  std::string take_text() {
    const Bytes raw = take_bytes(take_u32());
    return {raw.begin(), raw.end()};
  }
  std::size_t left() const { return bytes_.size() - at_; }
  std::size_t at() const { return at_; }
  std::uint64_t hash_of(std::size_t first, std::size_t last) const {
    return XXH3_64bits(bytes_.data() + first, last - first);
  }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

/// Bits, the lowest of the first byte first.
class Bits {
 public:
  explicit Bits(Bytes bytes) : bytes_(std::move(bytes)) {}
  bool take() {
    expect(at_ / 8 < bytes_.size(), "a stream of bits is too short");
    const bool bit = ((bytes_[at_ / 8] >> (at_ % 8)) & 1) != 0;
    ++at_;
    return bit;
  }
  std::uint32_t take_number(unsigned bits) {
    std::uint32_t number = 0;
    for (unsigned i = 0; i < bits; ++i) {
      number += static_cast<std::uint32_t>(take()) << i;
    }
    return number;
  }
  bool used_up() const { return (at_ + 7) / 8 == bytes_.size(); }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

enum {
  lengths,
  steady,
  wavering,
  returning,
  far_symbols,
  far_extra,
  orders,
  ranks,
  scores_low = 11,
  scores_high,
  streams
};

/// The streams of a lane, the zero bytes put back.
std::array<Bytes, streams> take_streams(const Bytes& plain) {
  Fields fields(plain);
  std::array<std::array<std::uint32_t, 2>, streams> table{};
  for (auto& row : table) {
    row[0] = fields.take_u32();
    row[1] = fields.take_u32();
  }
  std::array<Bytes, streams> result;
  for (std::size_t i = 0; i < streams; ++i) {
    const auto [stored, size] = table[i];
    Fields bytes(fields.take_bytes(stored));
    if (stored == size) {
      result[i] = bytes.take_bytes(size);
      continue;
    }
    Bits mask(bytes.take_bytes((size + 7) / 8));
    for (std::size_t byte = 0; byte < size; ++byte) {
      result[i].push_back(mask.take() ? static_cast<std::uint8_t>(bytes.take(1)) : std::uint8_t{0});
    }
    expect(bytes.left() == 0, "a stream has more bytes than its mask names");
  }
  expect(fields.left() == 0, "the lane is longer than its streams");
  return result;
}

/// One lane: prepared with its streams, asked for one selection after the other.
class Lane {
 public:
  Lane(std::array<Bytes, streams> bytes, bool has_scores)
      : lengths_(bytes[lengths]),
        far_symbols_(bytes[far_symbols]),
        orders_(bytes[orders]),
        scores_low_(bytes[scores_low]),
        scores_high_(bytes[scores_high]),
        ranks_{Fields(bytes[ranks]), Fields(bytes[ranks + 1]), Fields(bytes[ranks + 2]), Fields(bytes[ranks + 3])},
        steady_(bytes[steady]),
        wavering_(bytes[wavering]),
        returning_(bytes[returning]),
        far_extra_(bytes[far_extra]),
        all_ascending_(bytes[orders].empty()),
        has_scores_(has_scores) {}

  Selection next() {
    const std::uint32_t length = lengths_.take_u32();
    const Ids selected = take_set(length);
    Selection selection{.ids = {selected.begin(), selected.end()}, .scores = {}};
    if (!all_ascending_ && orders_.take(1) == 1) {
      take_order(selection.ids);
    }
    for (std::uint32_t i = 0; has_scores_ && i < length; ++i) {
      const std::uint64_t low = scores_low_.take(1);
      selection.scores.push_back(static_cast<std::uint16_t>(low + 256 * scores_high_.take(1)));
    }
    two_ago_ = one_ago_;
    one_ago_ = selected;
    window_new_.insert(selected.begin(), selected.end());
    if (++steps_ % 32 == 0) {
      window_old_ = window_new_;
      window_new_.clear();
    }
    return selection;
  }

  void expect_used_up() const {
    for (const Fields* fields : {&lengths_, &far_symbols_, &orders_, &scores_low_, &scores_high_}) {
      expect(fields->left() == 0, "a stream goes on");
    }
    for (const Bits* bits : {&steady_, &wavering_, &returning_, &far_extra_}) {
      expect(bits->used_up(), "a stream of bits goes on");
    }
    for (const Fields& fields : ranks_) {
      expect(fields.left() == 0, "the ranks go on");
    }
  }

 private:
  Ids take_set(std::uint32_t length) {
    Ids known = window_new_;
    known.insert(window_old_.begin(), window_old_.end());
    Ids selected;
    for (const std::uint32_t id : known) {
      const std::size_t recently = one_ago_.count(id) + two_ago_.count(id);
      Bits& bits = recently == 2 ? steady_ : recently == 1 ? wavering_ : returning_;
      if (bits.take()) {
        selected.insert(id);
      }
    }
    std::uint32_t smallest = 0;  // that the next far id can be
    while (selected.size() < length) {
      const auto symbol = static_cast<std::uint32_t>(far_symbols_.take(1));
      std::uint32_t gap = symbol;
      if (symbol >= 16) {
        const unsigned extra_bits = 2 + (symbol - 16) / 4;
        gap = (4 + symbol % 4) * (std::uint32_t{1} << extra_bits) + far_extra_.take_number(extra_bits);
      }
      expect(selected.insert(smallest + gap).second, "an id is selected twice");
      smallest += gap + 1;
    }
    expect(selected.size() == length, "more ids than the length says");
    return selected;
  }

  void take_order(std::vector<std::uint32_t>& ids) {
    const std::vector<std::uint32_t> ascending = ids;
    for (std::uint32_t& id : ids) {
      std::uint64_t rank = ranks_[0].take(1);
      for (unsigned byte = 1; byte < 4 && ascending.size() > std::size_t{1} << (8 * byte); ++byte) {
        rank += ranks_[byte].take(1) << (8 * byte);
      }
      expect(rank < ascending.size(), "a rank is too large");
      id = ascending[rank];
    }
  }

  Fields lengths_, far_symbols_, orders_, scores_low_, scores_high_;
  std::array<Fields, 4> ranks_;
  Bits steady_, wavering_, returning_, far_extra_;
  bool all_ascending_, has_scores_;
  Ids one_ago_, two_ago_, window_new_, window_old_;
  std::uint32_t steps_ = 0;
};

dsasim::TraceHeader take_header(Fields& file) {
  const Bytes magic = {0x89, 'D', 'S', 'A', 'T', 0x0D, 0x0A, 0x1A};
  expect(file.take_bytes(8) == magic, "no .dsat file");
  const std::uint64_t version = file.take(4);
  expect(version == 1 || version == 2, "another version");
  const std::uint64_t size = file.take(4);
  dsasim::TraceHeader header;
  header.ids = file.take(1) == 1 ? dsasim::IdKind::physical : dsasim::IdKind::logical;
  header.has_scores = file.take(1) == 1;
  const std::uint64_t flags = file.take(2);
  expect(version == 1 ? flags == 0 : flags >= 1 && flags <= 3, "unknown flags");
  header.has_queries = flags % 2 == 1;
  header.unit_tokens = file.take_u32();
  header.page_tokens = file.take_u32();
  header.layers.resize(file.take_u32());
  header.requests.resize(file.take_u32());
  header.entry_bytes = file.take(8);
  header.model = file.take_text();
  header.provenance = file.take_text();
  for (auto& layer : header.layers) {
    layer.model_layer = file.take_u32();
    layer.group_size = file.take_u32();
  }
  for (auto& request : header.requests) {
    request.prompt_tokens = file.take(8);
    request.start_step = file.take_u32();
  }
  header.stores.resize(flags >= 2 ? header.layers.size() : 0);
  for (auto& store : header.stores) {
    store.kv_owner = file.take_u32();
    store.kv_rows = file.take_u32();
    store.unit_tokens = file.take_u32();
    store.entry_bytes = file.take(8);
  }
  const std::uint64_t hash = file.hash_of(0, file.at());
  expect(file.take(8) == hash, "the header's checksum differs");
  expect(file.at() == size, "the header's size differs");
  return header;
}

/// The rest of a chunk, after its magic.
void take_chunk(Fields& file, Model& model) {
  const std::size_t start = file.at() - 4;
  const std::uint64_t request = file.take(4);
  auto& steps = model.requests.at(request);
  expect(file.take(8) == steps.size(), "not the next step");
  const std::uint64_t step_count = file.take(4);
  const std::uint64_t longest = file.take(4);
  const std::uint64_t accesses = file.take(8);
  const std::uint64_t id_limit = file.take(4);
  const std::uint64_t longest_union = file.take(4);
  expect(model.header.has_queries || longest_union == 0, "a reserved field");
  const std::uint64_t payload_bytes = file.take(8);
  const std::uint64_t payload_hash = file.take(8);
  const std::uint64_t hash = file.hash_of(start, file.at());
  expect(file.take(8) == hash, "a chunk head's checksum differs");
  std::vector<Queries> queries(step_count);
  if (model.header.has_queries) {
    const std::size_t table = file.at();
    for (Queries& step : queries) {
      step.queries = static_cast<std::uint32_t>(file.take(2));
      step.accepted = static_cast<std::uint32_t>(file.take(2));
    }
    const std::uint64_t table_hash = file.hash_of(table, file.at());
    expect(file.take(8) == table_hash, "a table of steps differs from its checksum");
    auto& before = model.queries.at(request);
    before.insert(before.end(), queries.begin(), queries.end());
  }
  expect(file.hash_of(file.at(), file.at() + payload_bytes) == payload_hash, "a chunk's checksum differs");

  Fields payload(file.take_bytes(payload_bytes));
  const std::size_t layers = model.header.layers.size();
  std::vector<std::array<std::uint32_t, 2>> sizes(layers);
  for (auto& row : sizes) {
    row[0] = payload.take_u32();
    row[1] = payload.take_u32();
  }
  std::vector<Lane> lanes;
  for (const auto& [frame_bytes, plain_bytes] : sizes) {
    lanes.emplace_back(take_streams(decompress(payload.take_bytes(frame_bytes), plain_bytes)), model.header.has_scores);
  }
  expect(payload.left() == 0, "bytes of no lane");
  std::uint64_t found_longest = 0;
  std::uint64_t found_accesses = 0;
  std::uint64_t found_limit = 0;
  std::uint64_t found_union = 0;
  for (std::uint64_t i = 0; i < step_count; ++i) {
    Step& step = steps.emplace_back();
    std::vector<Ids> selected(layers);
    for (std::uint32_t query = 0; query < queries[i].queries; ++query) {
      for (std::size_t layer = 0; layer < layers; ++layer) {
        step.push_back(lanes[layer].next());
        const auto& ids = step.back().ids;
        selected[layer].insert(ids.begin(), ids.end());
        found_accesses += ids.size();
        found_longest = std::max<std::uint64_t>(found_longest, ids.size());
        for (const std::uint32_t id : ids) {
          found_limit = std::max(found_limit, std::uint64_t{id} + 1);
        }
      }
    }
    for (const Ids& ids : selected) {
      found_union = std::max<std::uint64_t>(found_union, ids.size());
    }
  }
  expect(!model.header.has_queries || found_union == longest_union, "the chunk's head differs in the longest union");
  for (const Lane& lane : lanes) {
    lane.expect_used_up();
  }
  expect(found_accesses == accesses && found_longest == longest && found_limit == id_limit, "the chunk's head differs");
}

}  // namespace

Bytes decompress(const Bytes& frame, std::size_t plain_bytes) {
  Bytes plain(plain_bytes);
  expect(ZSTD_decompress(plain.data(), plain.size(), frame.data(), frame.size()) == plain_bytes, "zstd");
  return plain;
}

Model read_by_the_document(const Bytes& bytes) {
  Fields file(bytes);
  Model model;
  model.header = take_header(file);
  model.requests.resize(model.header.requests.size());
  model.queries.resize(model.header.has_queries ? model.header.requests.size() : 0);
  const Bytes chunk_magic = {'D', 'S', 'C', 'K'};
  const Bytes end_magic = {'D', 'S', 'E', 'N'};
  std::uint64_t chunks = 0;
  Bytes magic = file.take_bytes(4);
  for (; magic == chunk_magic; magic = file.take_bytes(4)) {
    take_chunk(file, model);
    ++chunks;
  }
  const std::size_t start = file.at() - 4;
  expect(magic == end_magic, "neither a chunk nor the end");
  expect(file.take(4) == 0, "a reserved field");
  expect(file.take(8) == chunks, "the number of chunks differs");
  std::uint64_t accesses = 0;
  for (const auto& steps : model.requests) {
    for (const Step& step : steps) {
      for (const Selection& selection : step) {
        accesses += selection.ids.size();
      }
    }
  }
  expect(file.take(8) == accesses, "the number of ids differs");
  expect(file.take(8) == bytes.size(), "the size of the file differs");
  const std::uint64_t low = file.take(8);
  const std::uint64_t high = file.take(8);
  expect(fmt::format("{:016x}{:016x}", high, low) == plain_digest(model), "the digest differs");
  expect(file.take(8) == 0, "a reserved field");
  const std::uint64_t hash = file.hash_of(start, file.at());
  expect(file.take(8) == hash, "the end record's checksum differs");
  expect(file.left() == 0, "bytes after the end");
  return model;
}

}  // namespace traces
