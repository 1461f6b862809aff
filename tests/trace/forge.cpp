#include "trace/forge.hpp"

#include "trace/lane_frame.hpp"
#include "trace/reseal.hpp"

#include <xxhash.h>

#include <algorithm>

namespace traces {

using namespace dsasim::trace;

namespace {

RecordBytes record_at(const Bytes& file, std::size_t at) {
  RecordBytes record{};
  std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(at), record.size(), record.begin());
  return record;
}

}  // namespace

Forgery take_apart(const Bytes& file) {
  Forgery parts;
  const auto header_bytes = load<std::uint32_t>(file.data() + 12);
  parts.header = decode_header(std::span(file).first(header_bytes), "forgery");
  for (std::size_t at = header_bytes; at < file.size();) {
    const RecordBytes record = record_at(file, at);
    at += record_bytes;
    if (record_kind(record) == RecordKind::end) {
      parts.end = decode_end(record);
      break;
    }
    ForgedChunk& chunk = parts.chunks.emplace_back();
    chunk.head = decode_chunk_head(record);
    if (parts.header.has_queries) {
      const std::size_t table = step_table_bytes(chunk.head.steps);
      append_step_table(std::span(file).subspan(at, table), 0, "forgery", chunk.steps);
      at += table;
    }
    std::size_t lane_at = at + 8 * parts.header.layers.size();
    for (std::size_t layer = 0; layer < parts.header.layers.size(); ++layer) {
      const auto frame_bytes = load<std::uint32_t>(file.data() + at + 8 * layer);
      const auto plain_bytes = load<std::uint32_t>(file.data() + at + 8 * layer + 4);
      LaneUnpacker unpacker;
      const StreamViews views = unpacker.unpack(std::span(file).subspan(lane_at, frame_bytes), plain_bytes, 1U << 30U,
                                                /*slack_bytes=*/0, "forgery");
      StreamBytes& lane = chunk.lanes.emplace_back();
      for (std::size_t i = 0; i < stream_count; ++i) {
        lane[i].assign(views[i].begin(), views[i].end());
      }
      lane_at += frame_bytes;
    }
    at += chunk.head.payload_bytes;
  }
  return parts;
}

Bytes assemble(const Forgery& forgery) {
  Bytes file = encode_header(forgery.header);
  EndRecord end = forgery.end;
  end.chunks = forgery.chunks.size();
  end.accesses = 0;
  for (const ForgedChunk& chunk : forgery.chunks) {
    Bytes payload(8 * chunk.lanes.size());
    for (std::size_t layer = 0; layer < chunk.lanes.size(); ++layer) {
      const LaneFrame frame = pack_lane(chunk.lanes[layer]);
      store(payload.data() + 8 * layer, static_cast<std::uint32_t>(frame.compressed.size()));
      store(payload.data() + 8 * layer + 4, frame.plain_bytes);
      payload.insert(payload.end(), frame.compressed.begin(), frame.compressed.end());
    }
    forgery.edit_payload(payload);
    ChunkHead head = chunk.head;
    head.payload_bytes = payload.size();
    head.payload_hash = XXH3_64bits(payload.data(), payload.size());
    forgery.edit_head(head);
    const RecordBytes record = encode(head);
    file.insert(file.end(), record.begin(), record.end());
    if (forgery.header.has_queries) {
      Bytes table = encode_step_table(chunk.steps);
      forgery.edit_table(table);
      file.insert(file.end(), table.begin(), table.end());
    }
    file.insert(file.end(), payload.begin(), payload.end());
    end.accesses += head.accesses;
  }
  end.file_bytes = file.size() + record_bytes;
  forgery.edit_end(end);
  const RecordBytes record = encode(end);
  file.insert(file.end(), record.begin(), record.end());
  return file;
}

}  // namespace traces
