#pragma once

#include "dsasim/trace/reader.hpp"
#include "trace/chunk.hpp"
#include "trace/lane.hpp"
#include "trace/selection_block.hpp"
#include "trace/trace_file.hpp"

#include <cstdint>
#include <vector>

namespace dsasim::trace {

/// Words of a request's sets, or 0 where that many cost more than lists: selections so small in an id space so large
/// that most words are empty.
std::uint32_t set_words(const TraceReader& trace, std::uint32_t request);

/// Walks the steps [first, last) of one request in blocks of consecutive steps, each of which lies within a chunk. The
/// lanes of a block are decoded apart from each other, each by whichever thread wants it, into memory of the caller's:
/// what is replayed layer by layer never holds more than one lane's selections.
class BlockCursor {
 public:
  /// Steps count from the request's own first; first < last.
  BlockCursor(const TraceReader& reader, std::uint32_t request, std::uint64_t first, std::uint64_t last);

  /// What a cursor over all of the request's steps takes, at most.
  static double bytes(const TraceReader& reader, std::uint32_t request);

  /// Of any step of the request.
  DecodeStep queries(std::uint64_t step) const noexcept { return trace_.queries(request_, step); }

  /// The most steps that the next block may have; 0 after the last. Loads the next chunk when it is due.
  std::uint64_t steps_available();
  /// So many steps that each lane's selections take about `lane_bytes` in both forms; at least 1.
  std::uint64_t steps_for(std::size_t lane_bytes) const noexcept;

  /// Moves on to a block of the next `steps` steps, 1 to steps_available(). All lanes of the block before must have
  /// been decoded.
  void begin_block(std::uint64_t steps);

  /// Decodes a lane's selections of the block, once. Different layers may be decoded at the same time. Throws
  /// TraceError on damage.
  void decode(std::uint32_t layer, SelectionForms forms, SelectionBlock& block);

 private:
  struct Lane {
    explicit Lane(bool has_scores) : decoder(has_scores) {}
    LaneUnpacker unpacker;
    LaneDecoder decoder;
    bool begun = false;                   ///< the current chunk's lane is unpacked
    std::vector<std::uint64_t> step_set;  ///< scratch: what the queries of a step select
    // What the chunk has held so far, to compare with its head.
    std::uint64_t accesses = 0;
    std::uint64_t id_limit = 0;
    std::uint32_t longest = 0;
    std::uint32_t longest_union = 0;
  };

  const ChunkHead& head() const noexcept { return place_->head; }
  void load_chunk();
  void check_chunk() const;
  void begin_lane(std::uint32_t layer);
  /// Decodes the rows of a step, into `block` unless it is null.
  void take_step(std::uint32_t layer, std::uint64_t step, SelectionForms forms, SelectionBlock* block);
  void append(Lane& lane, SelectionForms forms, SelectionBlock& block) const;
  void count(Lane& lane, std::uint32_t layer, std::uint32_t length, std::uint64_t step, std::uint64_t tokens) const;
  void count_union(Lane& lane, std::uint32_t query, const DecodeStep& step) const;

  const TraceFile& trace_;
  std::uint32_t request_;
  std::uint64_t last_;
  std::size_t set_words_;  ///< see set_words()
  std::size_t next_chunk_ = 0;
  const ChunkPlace* place_ = nullptr;  ///< of the current chunk
  ChunkPayload payload_;
  std::vector<Lane> lanes_;
  std::uint64_t chunk_from_ = 0;  ///< the chunk's first step that is wanted: those before are decoded and passed over
  std::uint64_t block_first_ = 0;
  std::uint64_t block_end_ = 0;
};

}  // namespace dsasim::trace
