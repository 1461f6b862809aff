#include "text_stream.hpp"

#include "byte_source.hpp"
#include "dsasim/error.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>

namespace dsasim {
namespace {

constexpr std::size_t first_bytes_size = 4096;
constexpr std::size_t compressed_buffer_bytes = std::size_t{1} << 16U;
constexpr std::string_view gzip_magic = "\x1f\x8b";
constexpr std::string_view zstd_magic = "\x28\xb5\x2f\xfd";
constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

class FileText final : public TextStream {
 public:
  explicit FileText(const std::filesystem::path& path) : file_(open_file(path)), left_(file_->size()) {}

  const std::string& name() const override { return file_->name(); }

  std::size_t read_some(std::span<std::byte> out) override {
    const std::span<std::byte> part = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_)));
    file_->read(part);
    left_ -= part.size();
    return part.size();
  }

 private:
  std::unique_ptr<ByteSource> file_;
  std::uint64_t left_;
};

/// The bytes of a compressed file, a buffer at a time.
class CompressedBytes {
 public:
  explicit CompressedBytes(const std::filesystem::path& path) : file_(path), buffer_(compressed_buffer_bytes) {}

  const std::string& name() const { return file_.name(); }
  std::uint64_t position() const noexcept { return position_; }

  /// The bytes not yet consumed, at least one; none at the end of the file.
  std::span<std::byte> available() {
    if (begin_ == end_) {
      begin_ = 0;
      end_ = file_.read_some(buffer_);
    }
    return std::span(buffer_).subspan(begin_, end_ - begin_);
  }
  void consume(std::size_t count) noexcept {
    begin_ += count;
    position_ += count;
  }

 private:
  FileText file_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t position_ = 0;
};

class GzipText final : public TextStream {
 public:
  explicit GzipText(const std::filesystem::path& path) : in_(path) {
    constexpr int gzip_only = 15 + 16;  // the largest window, and a gzip header instead of zlib's
    if (inflateInit2(&state_, gzip_only) != Z_OK) {
      throw SystemError(in_.name(), "zlib has not enough memory");
    }
  }
  ~GzipText() override { inflateEnd(&state_); }
  GzipText(const GzipText&) = delete;
  GzipText& operator=(const GzipText&) = delete;

  const std::string& name() const override { return in_.name(); }

  std::size_t read_some(std::span<std::byte> out) override {
    out = out.first(std::min<std::size_t>(out.size(), std::numeric_limits<uInt>::max()));
    std::size_t done = 0;
    while (done == 0 && !out.empty()) {
      const std::span<std::byte> from = in_.available();
      if (from.empty()) {
        if (inside_member_) {
          throw TraceError(name(), "the gzip stream is cut off after {} bytes", in_.position());
        }
        return 0;
      }
      done = inflate_some(from, out);
    }
    return done;
  }

 private:
  std::size_t inflate_some(std::span<std::byte> from, std::span<std::byte> out) {
    inside_member_ = true;
    state_.next_in = reinterpret_cast<Bytef*>(from.data());  // NOLINT(*-reinterpret-cast): zlib's idea of bytes
    state_.avail_in = static_cast<uInt>(from.size());
    state_.next_out = reinterpret_cast<Bytef*>(out.data());  // NOLINT(*-reinterpret-cast)
    state_.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&state_, Z_NO_FLUSH);
    in_.consume(from.size() - state_.avail_in);
    if (result == Z_STREAM_END) {
      inside_member_ = false;
      inflateReset(&state_);
    } else if (result != Z_OK) {
      throw TraceError(name(), "the gzip stream is damaged before byte {}: {}", in_.position(),
                       state_.msg != nullptr ? state_.msg : "no progress");
    }
    return out.size() - state_.avail_out;
  }

  CompressedBytes in_;
  z_stream state_{};
  bool inside_member_ = true;
};

struct FreeDecompressor {
  void operator()(ZSTD_DStream* state) const noexcept { ZSTD_freeDStream(state); }
};

class ZstdText final : public TextStream {
 public:
  explicit ZstdText(const std::filesystem::path& path) : in_(path), state_(ZSTD_createDStream()) {
    if (!state_) {
      throw SystemError(in_.name(), "zstd has not enough memory");
    }
  }

  const std::string& name() const override { return in_.name(); }

  std::size_t read_some(std::span<std::byte> out) override {
    ZSTD_outBuffer to{.dst = out.data(), .size = out.size(), .pos = 0};
    while (to.pos == 0 && !out.empty()) {
      const std::span<std::byte> bytes = in_.available();
      ZSTD_inBuffer from{.src = bytes.data(), .size = bytes.size(), .pos = 0};
      if (bytes.empty() && !inside_frame_) {
        return 0;
      }
      const std::size_t result = ZSTD_decompressStream(state_.get(), &to, &from);
      in_.consume(from.pos);
      if (ZSTD_isError(result) != 0U) {
        throw TraceError(name(), "the zstd stream is damaged before byte {}: {}", in_.position(),
                         ZSTD_getErrorName(result));
      }
      inside_frame_ = result != 0;
      if (bytes.empty() && inside_frame_ && to.pos == 0) {
        throw TraceError(name(), "the zstd stream is cut off after {} bytes", in_.position());
      }
    }
    return to.pos;
  }

 private:
  CompressedBytes in_;
  std::unique_ptr<ZSTD_DStream, FreeDecompressor> state_;
  bool inside_frame_ = true;
};

/// Another stream without the mark that some editors and spreadsheets put before a text in UTF-8.
class WithoutMark final : public TextStream {
 public:
  explicit WithoutMark(std::unique_ptr<TextStream> text) : text_(std::move(text)) {
    while (held_ < start_.size()) {
      const std::size_t done = text_->read_some(std::as_writable_bytes(std::span(start_)).subspan(held_));
      if (done == 0) {
        break;
      }
      held_ += done;
    }
    given_ = starts_with(std::span(start_).first(held_), byte_order_mark) ? held_ : 0;
  }

  const std::string& name() const override { return text_->name(); }

  std::size_t read_some(std::span<std::byte> out) override {
    if (given_ == held_) {
      return text_->read_some(out);
    }
    const std::size_t size = std::min(out.size(), held_ - given_);
    const auto part = std::as_bytes(std::span(start_)).subspan(given_, size);
    std::copy(part.begin(), part.end(), out.begin());
    given_ += size;
    return size;
  }

 private:
  std::unique_ptr<TextStream> text_;
  std::array<unsigned char, byte_order_mark.size()> start_{};
  std::size_t held_ = 0;   ///< of start_, that the text has
  std::size_t given_ = 0;  ///< of these, passed on or left out
};

constexpr std::string_view data_field = "data:";
constexpr std::array event_starts = {data_field, std::string_view("event:"), std::string_view("id:"),
                                     std::string_view("retry:"), std::string_view(":")};

bool starts_event(std::string_view line) {
  return std::any_of(event_starts.begin(), event_starts.end(),
                     [&](std::string_view start) { return line.starts_with(start); });
}

/// Server-sent events as the text of their data. What is no data becomes spaces, so that lines and bytes stay where
/// they are.
class EventText final : public TextStream {
 public:
  explicit EventText(std::unique_ptr<TextStream> text) : text_(std::move(text)), block_(block_bytes) {}

  const std::string& name() const override { return text_->name(); }

  std::size_t read_some(std::span<std::byte> out) override {
    while (given_ == made_.size() && !at_end_) {
      made_.clear();
      given_ = 0;
      fill();
    }
    const std::size_t size = std::min(out.size(), made_.size() - given_);
    const auto part = std::as_bytes(std::span(made_)).subspan(given_, size);
    std::copy(part.begin(), part.end(), out.begin());
    given_ += size;
    return size;
  }

 private:
  void fill() {
    const std::size_t size = text_->read_some(std::as_writable_bytes(std::span(block_)));
    at_end_ = size == 0;
    for (const char c : std::span(block_).first(size)) {
      take(c);
    }
    if (at_end_) {
      end_head();
    }
  }

  void take(char c) {
    if (c == '\n' || c == '\r') {
      end_head();
      in_head_ = true;
      line_ += c == '\n' ? 1U : 0U;
      made_ += c == '\n' ? c : ' ';
    } else if (!in_head_) {
      made_ += is_data_ ? c : ' ';
    } else {
      head_ += c;
      if (head_.size() > events_end.size()) {
        begin_line();
      }
    }
  }

  /// A line that is no longer than its head.
  void end_head() {
    if (!in_head_ || head_.empty()) {
      return;
    }
    if (head_ == "data: [DONE]" || head_ == "data:[DONE]") {
      made_ += events_end;
      head_.clear();
      return;
    }
    begin_line();
  }

  void begin_line() {
    if (!starts_event(head_) && head_.find_first_not_of(" \t") != std::string::npos) {
      const std::vector<unsigned char> bytes(head_.begin(), head_.end());
      throw TraceError(name(),
                       "line {}: starts with {}, expected one of server-sent events: data:, event:, id:, retry:", line_,
                       quoted_start(bytes));
    }
    is_data_ = head_.starts_with(data_field);
    const std::size_t blank = is_data_ ? data_field.size() : head_.size();
    made_.append(blank, ' ');
    made_ += std::string_view(head_).substr(blank);
    head_.clear();
    in_head_ = false;
  }

  static constexpr std::size_t block_bytes = std::size_t{1} << 16U;

  std::unique_ptr<TextStream> text_;
  std::vector<char> block_;
  std::string made_;       ///< of the blocks read so far
  std::size_t given_ = 0;  ///< of it, passed on
  std::string head_;       ///< the begin of a line, until it is known what the line is
  bool in_head_ = true;
  bool is_data_ = false;  ///< the line behind its head
  bool at_end_ = false;
  std::uint64_t line_ = 1;
};

std::unique_ptr<TextStream> open_stored(const std::filesystem::path& path) {
  std::array<unsigned char, 4> start{};
  const std::size_t size = FileText(path).read_some(std::as_writable_bytes(std::span(start)));
  const std::span<const unsigned char> found = std::span(start).first(size);
  if (starts_with(found, gzip_magic)) {
    return std::make_unique<GzipText>(path);
  }
  if (starts_with(found, zstd_magic)) {
    return std::make_unique<ZstdText>(path);
  }
  return std::make_unique<FileText>(path);
}

}  // namespace

std::unique_ptr<TextStream> open_text(const std::filesystem::path& path) {
  auto text = std::make_unique<WithoutMark>(open_stored(path));
  if (holds_events(path)) {
    return std::make_unique<EventText>(std::move(text));
  }
  return text;
}

bool holds_events(const std::filesystem::path& path) {
  std::array<char, 8> start{};
  std::size_t size = 0;
  WithoutMark text(open_stored(path));
  while (size < start.size()) {
    const std::size_t done = text.read_some(std::as_writable_bytes(std::span(start)).subspan(size));
    if (done == 0) {
      break;
    }
    size += done;
  }
  return starts_event(std::string_view(start.data(), size));
}

std::vector<unsigned char> read_first_text(const std::filesystem::path& path) {
  std::vector<unsigned char> bytes(first_bytes_size);
  const std::unique_ptr<TextStream> text = open_text(path);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const std::size_t done = text->read_some(std::as_writable_bytes(std::span(bytes)).subspan(size));
    if (done == 0) {
      break;
    }
    size += done;
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace dsasim
