#include "trace/lane_frame.hpp"

#include "dsasim/error.hpp"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

namespace dsasim::trace {
namespace {

/// Level 1 has the entropy coder; what higher levels add is the search for repeats, of which there are none (2.26
/// bits an id at level 1, 2.27 at level 3).
constexpr int zstd_level = 1;

/// One row of the table that a lane begins with.
struct StreamRow {
  std::uint32_t stored_bytes;  ///< in the lane
  std::uint32_t stream_bytes;  ///< of the stream; stored_bytes differs if zero bytes are left out
};
constexpr std::size_t table_bytes = stream_count * sizeof(StreamRow);

/// A Huffman code spends at least a bit on a byte. Where most bytes are zero, a mask of the others and the others alone
/// are smaller: 0.42 against 0.55 bits an id on the "returning" stream of k512-req_0.
std::vector<std::uint8_t> drop_zero_bytes(const std::vector<std::uint8_t>& stream) {
  std::vector<std::uint8_t> packed((stream.size() + 7) / 8, 0);
  for (std::size_t i = 0; i < stream.size(); ++i) {
    if (stream[i] != 0) {
      packed[i / 8] = static_cast<std::uint8_t>(packed[i / 8] | 1U << (i % 8));
      packed.push_back(stream[i]);
    }
  }
  return packed;
}

bool mostly_zero(const std::vector<std::uint8_t>& stream) {
  const auto zeros = static_cast<std::size_t>(std::count(stream.begin(), stream.end(), std::uint8_t{0}));
  return zeros > stream.size() / 2;
}

std::vector<std::uint8_t> restore_zero_bytes(std::span<const std::uint8_t> packed, std::size_t size,
                                             const std::string& where) {
  const std::size_t mask_bytes = (size + 7) / 8;
  if (packed.size() < mask_bytes) {
    throw TraceError(where, "a stream's mask of {} bytes is cut off at {}", mask_bytes, packed.size());
  }
  std::vector<std::uint8_t> stream(size, 0);
  std::size_t from = mask_bytes;
  for (std::size_t byte = 0; byte < mask_bytes; ++byte) {
    for (unsigned mask = packed[byte]; mask != 0; mask &= mask - 1) {
      const std::size_t to = byte * 8 + static_cast<unsigned>(std::countr_zero(mask));
      if (to >= size || from == packed.size()) {
        throw TraceError(where, "a stream's mask does not fit its bytes");
      }
      stream[to] = packed[from++];
    }
  }
  if (from != packed.size()) {
    throw TraceError(where, "a stream has {} bytes more than its mask names", packed.size() - from);
  }
  return stream;
}

class Compressor {
 public:
  Compressor() : context_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, zstd_level);
  }

  /// Appends `bytes` and ends the block there; after the last one ends the frame.
  void append(const void* bytes, std::size_t size, bool last) {
    ZSTD_inBuffer in{bytes, size, 0};
    std::size_t left = 1;
    while (left != 0) {
      const std::size_t old_size = frame_.size();
      frame_.resize(old_size + ZSTD_compressBound(size) + 64);
      ZSTD_outBuffer out{frame_.data() + old_size, frame_.size() - old_size, 0};
      left = ZSTD_compressStream2(context_.get(), &out, &in, last ? ZSTD_e_end : ZSTD_e_flush);
      if (ZSTD_isError(left) != 0) {
        throw SystemError("zstd", "{}", ZSTD_getErrorName(left));
      }
      frame_.resize(old_size + out.pos);
    }
  }

  std::vector<std::uint8_t> take() { return std::move(frame_); }

 private:
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
  std::vector<std::uint8_t> frame_;
};

}  // namespace

LaneFrame pack_lane(const StreamBytes& streams) {
  std::array<StreamRow, stream_count> table{};
  std::array<std::vector<std::uint8_t>, stream_count> packed;
  std::uint64_t plain_bytes = table_bytes;
  for (std::size_t i = 0; i < stream_count; ++i) {
    if (mostly_zero(streams[i])) {
      packed[i] = drop_zero_bytes(streams[i]);
    }
    const std::size_t stored =
        packed[i].empty() || packed[i].size() >= streams[i].size() ? streams[i].size() : packed[i].size();
    table[i] = {.stored_bytes = static_cast<std::uint32_t>(stored),
                .stream_bytes = static_cast<std::uint32_t>(streams[i].size())};
    plain_bytes += stored;
    if (streams[i].size() > std::numeric_limits<std::uint32_t>::max() ||
        plain_bytes > std::numeric_limits<std::uint32_t>::max()) {
      throw SystemError("trace writer", "a lane of a chunk exceeds 4 GiB; write smaller chunks");
    }
  }
  Compressor compressor;
  compressor.append(table.data(), table_bytes, false);
  for (std::size_t i = 0; i < stream_count; ++i) {
    const bool dropped = table[i].stored_bytes != table[i].stream_bytes;
    compressor.append(dropped ? packed[i].data() : streams[i].data(), table[i].stored_bytes, i + 1 == stream_count);
  }
  return {.compressed = compressor.take(), .plain_bytes = static_cast<std::uint32_t>(plain_bytes)};
}

StreamBytes unpack_lane(std::span<const std::uint8_t> compressed, std::uint32_t plain_bytes,
                        std::uint64_t stream_bytes_limit, const std::string& where) {
  if (plain_bytes < table_bytes || plain_bytes > stream_bytes_limit + table_bytes) {
    throw TraceError(where, "claims {} bytes before compression; {} to {} are possible", plain_bytes, table_bytes,
                     stream_bytes_limit + table_bytes);
  }
  std::vector<std::uint8_t> plain(plain_bytes);
  const std::size_t size = ZSTD_decompress(plain.data(), plain.size(), compressed.data(), compressed.size());
  if (ZSTD_isError(size) != 0 || size != plain.size()) {
    throw TraceError(where, "does not decompress to its {} bytes ({})", plain_bytes,
                     ZSTD_isError(size) != 0 ? ZSTD_getErrorName(size) : "too few");
  }
  std::array<StreamRow, stream_count> table{};
  std::memcpy(table.data(), plain.data(), table_bytes);
  std::uint64_t stored = table_bytes;
  std::uint64_t total = 0;
  for (const StreamRow& row : table) {
    stored += row.stored_bytes;
    total += row.stream_bytes;
  }
  if (stored != plain_bytes || total > stream_bytes_limit) {
    throw TraceError(where, "its table names {} bytes of {}, for streams of {} bytes of at most {}", stored,
                     plain_bytes, total, stream_bytes_limit);
  }
  StreamBytes streams;
  std::span<const std::uint8_t> rest(plain);
  rest = rest.subspan(table_bytes);
  for (std::size_t i = 0; i < stream_count; ++i) {
    const auto bytes = rest.first(table[i].stored_bytes);
    if (table[i].stored_bytes == table[i].stream_bytes) {
      streams[i].assign(bytes.begin(), bytes.end());
    } else {
      streams[i] = restore_zero_bytes(bytes, table[i].stream_bytes, where);
    }
    rest = rest.subspan(table[i].stored_bytes);
  }
  return streams;
}

}  // namespace dsasim::trace
