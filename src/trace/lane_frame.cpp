#include "trace/lane_frame.hpp"

#include "dsasim/error.hpp"
#include "trace/zero_bytes.hpp"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace dsasim::trace {
namespace {

/// Level 1 has the entropy coder; what higher levels add is the search for repeats, of which there are none (2.26
/// bits an id at level 1, 2.27 at level 3).
constexpr int zstd_level = 1;

/// One row of the table that a lane begins with.
struct StreamRow {
  std::uint32_t stored_bytes;  ///< in the lane
  std::uint32_t stream_bytes;  ///< of the stream; stored_bytes differs if zero bytes are left out
  bool is_dropped() const noexcept { return stored_bytes != stream_bytes; }
};
constexpr std::size_t table_bytes = stream_count * sizeof(StreamRow);

/// A Huffman code spends at least a bit on a byte. Where most bytes are zero, a mask of the others and the others alone
/// are smaller: 0.42 against 0.55 bits an id on the "returning" stream of k512-req_0.
bool mostly_zero(const std::vector<std::uint8_t>& stream) {
  const auto zeros = static_cast<std::size_t>(std::count(stream.begin(), stream.end(), std::uint8_t{0}));
  return zeros > stream.size() / 2;
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

/// Makes room for `size` bytes, of any content. What is large enough keeps its memory, and its pages.
void grow(ZeroedArray<std::uint8_t>& bytes, std::size_t size) {
  if (bytes.size() < size) {
    bytes.reset(size);
  }
}

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};
using Context = std::unique_ptr<ZSTD_DCtx, FreeContext>;

/// Contexts are kept: making one costs 160 KB of fresh memory. Not one for each thread as thread_local has them, whose
/// destructors the C library cannot register, and aborts, where memory is short.
class Contexts {
 public:
  Context take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Context context = std::move(idle_.back());
        idle_.pop_back();
        return context;
      }
    }
    Context made(ZSTD_createDCtx());
    if (!made) {
      throw std::bad_alloc();
    }
    return made;
  }
  void give_back(Context context) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(context));
  }

 private:
  std::mutex mutex_;
  std::vector<Context> idle_;
};

void decompress(std::span<const std::uint8_t> compressed, std::span<std::uint8_t> plain, const std::string& where) {
  static Contexts contexts;
  Context context = contexts.take();
  const std::size_t size =
      ZSTD_decompressDCtx(context.get(), plain.data(), plain.size(), compressed.data(), compressed.size());
  if (ZSTD_isError(size) != 0 || size != plain.size()) {
    throw TraceError(where, "does not decompress to its {} bytes ({})", plain.size(),
                     ZSTD_isError(size) != 0 ? ZSTD_getErrorName(size) : "too few");
  }
  contexts.give_back(std::move(context));
}

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
    compressor.append(table[i].is_dropped() ? packed[i].data() : streams[i].data(), table[i].stored_bytes,
                      i + 1 == stream_count);
  }
  return {.compressed = compressor.take(), .plain_bytes = static_cast<std::uint32_t>(plain_bytes)};
}

StreamViews LaneUnpacker::unpack(std::span<const std::uint8_t> compressed, std::uint32_t plain_bytes,
                                 std::uint64_t stream_bytes_limit, std::size_t slack_bytes, const std::string& where) {
  if (plain_bytes < table_bytes || plain_bytes > stream_bytes_limit + table_bytes) {
    throw TraceError(where, "claims {} bytes before compression; {} to {} are possible", plain_bytes, table_bytes,
                     stream_bytes_limit + table_bytes);
  }
  grow(plain_, plain_bytes + slack_bytes + zero_bytes_slack);
  decompress(compressed, std::span<std::uint8_t>(plain_).first(plain_bytes), where);
  std::array<StreamRow, stream_count> table{};
  std::memcpy(table.data(), plain_.data(), table_bytes);
  std::uint64_t stored = table_bytes;
  std::uint64_t total = 0;
  std::uint64_t restored = 0;
  for (const StreamRow& row : table) {
    stored += row.stored_bytes;
    total += row.stream_bytes;
    restored += row.is_dropped() ? row.stream_bytes + zero_bytes_slack : 0;
  }
  if (stored != plain_bytes || total > stream_bytes_limit) {
    throw TraceError(where, "its table names {} bytes of {}, for streams of {} bytes of at most {}", stored,
                     plain_bytes, total, stream_bytes_limit);
  }
  grow(restored_, restored + slack_bytes);
  StreamViews streams;
  std::span<const std::uint8_t> rest = std::span<std::uint8_t>(plain_).first(plain_bytes).subspan(table_bytes);
  std::size_t restored_at = 0;
  for (std::size_t i = 0; i < stream_count; ++i) {
    streams[i] = rest.first(table[i].stored_bytes);
    if (table[i].is_dropped()) {
      const auto whole = std::span<std::uint8_t>(restored_).subspan(restored_at, table[i].stream_bytes);
      restore_zero_bytes(streams[i], whole, where);
      streams[i] = whole;
      restored_at += whole.size() + zero_bytes_slack;
    }
    rest = rest.subspan(table[i].stored_bytes);
  }
  return streams;
}

}  // namespace dsasim::trace
