#pragma once

// Files that TraceWriter would never write, with correct checksums: a valid one is taken apart, a test changes what it
// likes, and the parts are put together again.

#include "trace/file_layout.hpp"
#include "trace/lane.hpp"
#include "trace/model.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace traces {

struct ForgedChunk {
  dsasim::trace::ChunkHead head;               ///< payload_bytes and payload_hash are filled in by assemble()
  std::vector<dsasim::DecodeStep> steps = {};  ///< their queries, if the header has them
  std::vector<dsasim::trace::StreamBytes> lanes;
};

struct Forgery {
  dsasim::TraceHeader header;
  std::vector<ForgedChunk> chunks;
  dsasim::trace::EndRecord end;                                  ///< the digest; the rest is filled in
  std::function<void(Bytes& table)> edit_table = [](Bytes&) {};  ///< the checksum included, which stays as it is
  std::function<void(Bytes& payload)> edit_payload = [](Bytes&) {};
  std::function<void(dsasim::trace::ChunkHead&)> edit_head = [](dsasim::trace::ChunkHead&) {};
  std::function<void(dsasim::trace::EndRecord&)> edit_end = [](dsasim::trace::EndRecord&) {};

  dsasim::trace::StreamBytes& lane(std::size_t chunk, std::size_t layer) { return chunks.at(chunk).lanes.at(layer); }
};

Forgery take_apart(const Bytes& file);
/// The edits are called last, each before the checksum that covers what it changes.
Bytes assemble(const Forgery& forgery);

inline Bytes& stream(dsasim::trace::StreamBytes& lane, dsasim::trace::Stream which) {
  return lane[static_cast<std::size_t>(which)];
}

}  // namespace traces
