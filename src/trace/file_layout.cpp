#include "trace/file_layout.hpp"

#include "dsasim/error.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace dsasim::trace {
namespace {

constexpr std::array<std::uint8_t, 4> chunk_magic = {'D', 'S', 'C', 'K'};
constexpr std::array<std::uint8_t, 4> end_magic = {'D', 'S', 'E', 'N'};
constexpr std::size_t checksum_bytes = 8;

// Flags of a header of version 2.
constexpr std::uint16_t has_queries_flag = 1;
constexpr std::uint16_t has_stores_flag = 2;
constexpr std::size_t store_bytes = 20;

/// Writes fields one after the other, little-endian.
class FieldWriter {
 public:
  template <class T>
  void put(T value) {
    static_assert(std::is_unsigned_v<T>);
    for (std::size_t i = 0; i < sizeof value; ++i) {
      bytes_.push_back(static_cast<std::uint8_t>(std::uint64_t{value} >> (8 * i)));
    }
  }
  template <class Range>
  void put_bytes(const Range& range) {
    bytes_.insert(bytes_.end(), range.begin(), range.end());
  }
  void put_checksum() { put(std::uint64_t{XXH3_64bits(bytes_.data(), bytes_.size())}); }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// Reads them back. Throws when the bytes end early.
class FieldReader {
 public:
  FieldReader(std::span<const std::uint8_t> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  template <class T>
  T take() {
    const auto raw = take_bytes(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value |= std::uint64_t{raw[i]} << (8 * i);
    }
    return static_cast<T>(value);
  }
  std::span<const std::uint8_t> take_bytes(std::size_t count) {
    if (count > bytes_.size()) {
      throw TraceError(where_, "the header ends within a field of {} bytes", count);
    }
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  std::string take_text() {
    const auto raw = take_bytes(take<std::uint32_t>());
    return {raw.begin(), raw.end()};
  }
  std::size_t left() const noexcept { return bytes_.size(); }

 private:
  std::span<const std::uint8_t> bytes_;
  const std::string& where_;
};

RecordBytes to_record(FieldWriter& writer) {
  writer.put_checksum();
  const auto bytes = writer.take();
  RecordBytes record{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), record.size()), record.begin());
  return record;
}

template <class T>
T field(const RecordBytes& record, std::size_t at) noexcept {
  T value{};
  std::memcpy(&value, record.data() + at, sizeof value);
  return value;
}

}  // namespace

std::string to_string(const Digest& digest) {
  return fmt::format("{:016x}{:016x}", digest.high, digest.low);
}

namespace {

/// Layers of one store agree on it.
template <class ErrorType>
void check_stores(const TraceHeader& header, const std::string& where) {
  const auto& stores = header.stores;
  if (stores.empty()) {
    return;
  }
  if (stores.size() != header.layers.size()) {
    throw ErrorType(where, "{} KV stores for {} layers, expected one for each", stores.size(), header.layers.size());
  }
  if (stores[0].unit_tokens != header.unit_tokens || stores[0].entry_bytes != header.entry_bytes) {
    throw ErrorType(where, "layer 0 reads entries of {} tokens and {} bytes, the header says {} and {}",
                    stores[0].unit_tokens, stores[0].entry_bytes, header.unit_tokens, header.entry_bytes);
  }
  for (std::size_t layer = 0; layer < stores.size(); ++layer) {
    const StoreInfo& store = stores[layer];
    if (store.kv_owner >= stores.size() || stores[store.kv_owner] != store) {
      throw ErrorType(where, "layer {} reads the KV store of layer {}; expected a layer that owns its store, and alike",
                      layer, store.kv_owner);
    }
    if (store.unit_tokens < 1 || store.unit_tokens > TraceHeader::max_unit_tokens ||
        store.entry_bytes > TraceHeader::max_entry_bytes || store.kv_rows < 1 ||
        store.kv_rows > TraceHeader::max_layers) {
      throw ErrorType(where, "layer {}: a KV store with {} rows of an entry of {} tokens and {} bytes", layer,
                      store.kv_rows, store.unit_tokens, store.entry_bytes);
    }
  }
}

/// Throws `ErrorType`: a header that is to be written is the caller's, one that was read is the trace's.
template <class ErrorType>
void check_fields(const TraceHeader& header, const std::string& where) {
  const auto check_range = [&](const char* name, std::uint64_t found, std::uint64_t least, std::uint64_t most) {
    if (found < least || found > most) {
      throw ErrorType(where, "{} is {}, expected {} to {}", name, found, least, most);
    }
  };
  check_range("the number of layers", header.layers.size(), 1, TraceHeader::max_layers);
  check_range("the number of requests", header.requests.size(), 1, max_requests);
  check_range("the number of streams (layers x requests)", std::uint64_t{header.layers.size()} * header.requests.size(),
              1, max_streams);
  check_range("the unit of an id in tokens", header.unit_tokens, 1, TraceHeader::max_unit_tokens);
  check_range("the page size in tokens", header.page_tokens, 0, TraceHeader::max_page_tokens);
  check_range("the bytes of an entry", header.entry_bytes, 0, TraceHeader::max_entry_bytes);
  check_range("the length of the model's name", header.model.size(), 0, 1U << 16U);
  check_range("the length of the provenance", header.provenance.size(), 0, 1U << 20U);
  for (const LayerInfo& layer : header.layers) {
    check_range("a layer's number in the model", layer.model_layer, 0, TraceHeader::max_layers);
    check_range("a layer's group size", layer.group_size, 1, TraceHeader::max_layers);
  }
  check_stores<ErrorType>(header, where);
  for (const RequestInfo& request : header.requests) {
    check_range("a prompt's length in tokens", request.prompt_tokens, 0, max_entry_ids * header.least_unit());
  }
}

bool are_plain(const TraceHeader& header) {
  TraceHeader plain;
  plain.layers = header.layers;
  plain.unit_tokens = header.unit_tokens;
  plain.entry_bytes = header.entry_bytes;
  for (std::uint32_t layer = 0; layer < header.stores.size(); ++layer) {
    if (header.stores[layer] != plain.store(layer)) {
      return false;
    }
  }
  return true;
}

}  // namespace

TraceHeader without_plain_stores(TraceHeader header) {
  if (are_plain(header)) {
    header.stores.clear();
  }
  return header;
}

void check_header(const TraceHeader& header, const std::string& where) {
  check_fields<ConfigError>(header, where);
}

std::vector<std::uint8_t> encode_header(const TraceHeader& header) {
  const auto flags = static_cast<std::uint16_t>((header.has_queries ? has_queries_flag : 0U) |
                                                (header.stores.empty() ? 0U : has_stores_flag));
  FieldWriter body;
  body.put(static_cast<std::uint8_t>(header.ids));
  body.put(static_cast<std::uint8_t>(header.has_scores ? 1 : 0));
  body.put(flags);
  body.put(header.unit_tokens);
  body.put(header.page_tokens);
  body.put(static_cast<std::uint32_t>(header.layers.size()));
  body.put(static_cast<std::uint32_t>(header.requests.size()));
  body.put(header.entry_bytes);
  for (const std::string* text : {&header.model, &header.provenance}) {
    body.put(static_cast<std::uint32_t>(text->size()));
    body.put_bytes(*text);
  }
  for (const LayerInfo& layer : header.layers) {
    body.put(layer.model_layer);
    body.put(layer.group_size);
  }
  for (const RequestInfo& request : header.requests) {
    body.put(request.prompt_tokens);
    body.put(request.start_step);
  }
  for (const StoreInfo& store : header.stores) {
    body.put(store.kv_owner);
    body.put(store.kv_rows);
    body.put(store.unit_tokens);
    body.put(store.entry_bytes);
  }
  const auto body_bytes = body.take();
  FieldWriter file;
  file.put_bytes(file_magic);
  file.put(std::uint32_t{flags == 0 ? 1U : 2U});
  file.put(static_cast<std::uint32_t>(file_magic.size() + 8 + body_bytes.size() + checksum_bytes));
  file.put_bytes(body_bytes);
  file.put_checksum();
  return file.take();
}

std::uint32_t header_size(std::span<const std::uint8_t, 16> start, const std::string& where) {
  if (!std::equal(file_magic.begin(), file_magic.end(), start.begin())) {
    throw TraceError(where, "not a .dsat trace (its first bytes differ); other formats are read by `dsasim import`");
  }
  FieldReader reader(start.subspan<8>(), where);
  if (const auto version = reader.take<std::uint32_t>(); version < 1 || version > format_version) {
    throw TraceError(where, "trace format version {}; this program reads versions up to {}", version, format_version);
  }
  const auto size = reader.take<std::uint32_t>();
  if (size < start.size() + checksum_bytes || size > max_header_bytes) {
    throw TraceError(where, "claims a header of {} bytes, expected {} to {}", size, start.size() + checksum_bytes,
                     max_header_bytes);
  }
  return size;
}

TraceHeader decode_header(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto content = bytes.first(bytes.size() - checksum_bytes);
  FieldReader checksum(bytes.last(checksum_bytes), where);
  if (checksum.take<std::uint64_t>() != XXH3_64bits(content.data(), content.size())) {
    throw TraceError(where, "the header does not match its checksum");
  }
  const auto version = FieldReader(content.subspan(8), where).take<std::uint32_t>();
  FieldReader reader(content.subspan(16), where);
  TraceHeader header;
  const auto ids = reader.take<std::uint8_t>();
  const auto scores = reader.take<std::uint8_t>();
  const auto flags = reader.take<std::uint16_t>();
  const bool known = version == 1 ? flags == 0 : flags >= 1 && flags <= (has_queries_flag | has_stores_flag);
  if (ids > 1 || scores > 1 || !known) {
    throw TraceError(where, "the header has flags {}, {}, {} that version {} does not know", ids, scores, flags,
                     version);
  }
  header.has_queries = (flags & has_queries_flag) != 0;
  const bool has_stores = (flags & has_stores_flag) != 0;
  header.ids = static_cast<IdKind>(ids);
  header.has_scores = scores != 0;
  header.unit_tokens = reader.take<std::uint32_t>();
  header.page_tokens = reader.take<std::uint32_t>();
  const auto layers = reader.take<std::uint32_t>();
  const auto requests = reader.take<std::uint32_t>();
  header.entry_bytes = reader.take<std::uint64_t>();
  header.model = reader.take_text();
  header.provenance = reader.take_text();
  const std::uint64_t layer_bytes = 8 + (has_stores ? store_bytes : 0);
  if (reader.left() != layer_bytes * layers + std::uint64_t{12} * requests) {
    throw TraceError(where, "the header has {} bytes for {} layers and {} requests", reader.left(), layers, requests);
  }
  for (std::uint32_t i = 0; i < layers; ++i) {
    const auto model_layer = reader.take<std::uint32_t>();
    header.layers.push_back({.model_layer = model_layer, .group_size = reader.take<std::uint32_t>()});
  }
  for (std::uint32_t i = 0; i < requests; ++i) {
    const auto prompt_tokens = reader.take<std::uint64_t>();
    header.requests.push_back({.prompt_tokens = prompt_tokens, .start_step = reader.take<std::uint32_t>()});
  }
  for (std::uint32_t i = 0; has_stores && i < layers; ++i) {
    StoreInfo& store = header.stores.emplace_back();
    store.kv_owner = reader.take<std::uint32_t>();
    store.kv_rows = reader.take<std::uint32_t>();
    store.unit_tokens = reader.take<std::uint32_t>();
    store.entry_bytes = reader.take<std::uint64_t>();
  }
  check_fields<TraceError>(header, where);
  if (has_stores && are_plain(header)) {
    throw TraceError(where, "its KV stores are what a trace without them has");  // one trace, one digest
  }
  return header;
}

RecordBytes encode(const ChunkHead& head) {
  FieldWriter writer;
  writer.put_bytes(chunk_magic);
  writer.put(head.request);
  writer.put(head.first_step);
  writer.put(head.steps);
  writer.put(head.longest_selection);
  writer.put(head.accesses);
  writer.put(head.id_limit);
  writer.put(head.longest_union);
  writer.put(head.payload_bytes);
  writer.put(head.payload_hash);
  return to_record(writer);
}

RecordBytes encode(const EndRecord& end) {
  FieldWriter writer;
  writer.put_bytes(end_magic);
  writer.put(std::uint32_t{0});
  writer.put(end.chunks);
  writer.put(end.accesses);
  writer.put(end.file_bytes);
  writer.put(end.digest.low);
  writer.put(end.digest.high);
  writer.put(std::uint64_t{0});
  return to_record(writer);
}

RecordKind record_kind(const RecordBytes& bytes) noexcept {
  if (field<std::uint64_t>(bytes, record_bytes - checksum_bytes) !=
      XXH3_64bits(bytes.data(), record_bytes - checksum_bytes)) {
    return RecordKind::damaged;
  }
  if (std::equal(chunk_magic.begin(), chunk_magic.end(), bytes.begin())) {
    return RecordKind::chunk;
  }
  return std::equal(end_magic.begin(), end_magic.end(), bytes.begin()) ? RecordKind::end : RecordKind::damaged;
}

ChunkHead decode_chunk_head(const RecordBytes& bytes) noexcept {
  return {.request = field<std::uint32_t>(bytes, 4),
          .first_step = field<std::uint64_t>(bytes, 8),
          .steps = field<std::uint32_t>(bytes, 16),
          .longest_selection = field<std::uint32_t>(bytes, 20),
          .accesses = field<std::uint64_t>(bytes, 24),
          .id_limit = field<std::uint32_t>(bytes, 32),
          .longest_union = field<std::uint32_t>(bytes, 36),
          .payload_bytes = field<std::uint64_t>(bytes, 40),
          .payload_hash = field<std::uint64_t>(bytes, 48)};
}

std::vector<std::uint8_t> encode_step_table(std::span<const DecodeStep> steps) {
  FieldWriter writer;
  for (const DecodeStep& step : steps) {
    writer.put(static_cast<std::uint16_t>(step.queries));
    writer.put(static_cast<std::uint16_t>(step.accepted));
  }
  writer.put_checksum();
  return writer.take();
}

DecodeStep step_after(std::span<const DecodeStep> steps, std::uint64_t prompt_tokens) noexcept {
  if (steps.empty()) {
    return {.first_row = 0, .context_tokens = prompt_tokens, .queries = 0, .accepted = 0};
  }
  const DecodeStep& last = steps.back();
  return {.first_row = last.first_row + last.queries,
          .context_tokens = last.context_tokens + last.accepted,
          .queries = 0,
          .accepted = 0};
}

void append_step_table(std::span<const std::uint8_t> bytes, std::uint64_t prompt_tokens, const std::string& where,
                       std::vector<DecodeStep>& steps) {
  const auto content = bytes.first(bytes.size() - checksum_bytes);
  if (FieldReader(bytes.last(checksum_bytes), where).take<std::uint64_t>() !=
      XXH3_64bits(content.data(), content.size())) {
    throw TraceError(where, "a table of steps does not match its checksum");
  }
  FieldReader reader(content, where);
  while (reader.left() > 0) {
    DecodeStep next = step_after(steps, prompt_tokens);
    next.queries = reader.take<std::uint16_t>();
    next.accepted = reader.take<std::uint16_t>();
    check_queries<TraceError>(next.queries, next.accepted, where);
    steps.push_back(next);
  }
}

EndRecord decode_end(const RecordBytes& bytes) noexcept {
  return {.chunks = field<std::uint64_t>(bytes, 8),
          .accesses = field<std::uint64_t>(bytes, 16),
          .file_bytes = field<std::uint64_t>(bytes, 24),
          .digest = {.low = field<std::uint64_t>(bytes, 32), .high = field<std::uint64_t>(bytes, 40)}};
}

}  // namespace dsasim::trace

namespace dsasim {

std::uint32_t TraceHeader::least_unit() const noexcept {
  std::uint32_t least = unit_tokens;
  for (const StoreInfo& store : stores) {
    least = std::min(least, store.unit_tokens);
  }
  return least;
}

bool TraceHeader::shares_stores() const noexcept {
  for (std::uint32_t layer = 0; layer < stores.size(); ++layer) {
    if (stores[layer].kv_owner != layer) {
      return true;
    }
  }
  return false;
}

bool TraceHeader::mixes_units() const noexcept {
  return std::ranges::any_of(stores, [this](const StoreInfo& store) { return store.unit_tokens != unit_tokens; });
}

bool TraceHeader::mixes_entry_bytes() const noexcept {
  return std::ranges::any_of(stores, [this](const StoreInfo& store) { return store.entry_bytes != entry_bytes; });
}

}  // namespace dsasim
