#include "base64_field.hpp"

#include "dsasim/error.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace dsasim {
namespace {

/// Decodes the pieces of a string as they come.
class Base64Bytes final : public ByteSource {
 public:
  Base64Bytes(JsonFields& json, std::string where, std::uint64_t bytes)
      : json_(json), where_(std::move(where)), bytes_(bytes) {}

  const std::string& name() const override { return where_; }
  std::uint64_t size() const override { return bytes_; }

  void read(std::span<std::byte> out) override {
    while (!out.empty()) {
      out = out.subspan(take_decoded(out));
      out = out.subspan(decode_whole(out));
      if (!out.empty()) {
        decode_one();
      }
    }
  }

  void finish() override {
    if (decoded_begin_ < decoded_.size || !piece_.empty() || json_.string_piece(piece_)) {
      throw TraceError(where_, "was changed while it was imported: it is longer than {} bytes", bytes_);
    }
  }

 private:
  /// What is left of a quartet that was decoded by itself.
  std::size_t take_decoded(std::span<std::byte> out) noexcept {
    const std::size_t count = std::min(out.size(), decoded_.size - decoded_begin_);
    std::copy_n(decoded_.bytes.begin() + static_cast<std::ptrdiff_t>(decoded_begin_), count, out.begin());
    decoded_begin_ += count;
    return count;
  }

  /// The quartets that lie whole in the piece and fit, but for the piece's last, which may be padded.
  std::size_t decode_whole(std::span<std::byte> out) {
    const std::size_t in_piece = piece_.size() / base64_quartet;
    const std::size_t quartets = std::min(in_piece - std::min<std::size_t>(in_piece, 1), out.size() / base64_triple);
    if (quartets == 0) {
      return 0;
    }
    const std::span<const char> text = piece_.first(quartets * base64_quartet);
    const std::size_t good = decode_base64(text, out.first(quartets * base64_triple));
    if (good < text.size()) {
      fail(text[good], piece_.size() - good);
    }
    piece_ = piece_.subspan(text.size());
    produced_ += quartets * base64_triple;
    return quartets * base64_triple;
  }

  /// The next quartet, be it cut by a piece's end, padded, or larger than what is wanted.
  void decode_one() {
    std::array<char, base64_quartet> text{};
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t count = std::min(piece_.size(), text.size() - i);
      std::copy_n(piece_.begin(), count, text.begin() + static_cast<std::ptrdiff_t>(i));
      piece_ = piece_.subspan(count);
      i += count;
      if (i < text.size() && !json_.string_piece(piece_)) {
        throw TraceError(where_, "was changed while it was imported: it is shorter than {} bytes", bytes_);
      }
    }
    decoded_ = decode_base64_quartet(text);
    decoded_begin_ = 0;
    if (decoded_.size == 0) {
      fail(text.at(decoded_.wrong_at), piece_.size() + text.size() - decoded_.wrong_at);
    }
    produced_ += decoded_.size;
    if (decoded_.size < base64_triple && produced_ != bytes_) {
      fail('=', piece_.size() + base64_triple - decoded_.size);  // padding before the end
    }
  }

  /// `before`: how many bytes the wrong one stands before what was read of the text.
  [[noreturn]] void fail(char found, std::size_t before) const {
    throw TraceError(where_, "'{}' at byte {} of the text is no base64", printable({&found, 1}),
                     json_.offset() - before);
  }

  JsonFields& json_;
  std::string where_;
  std::uint64_t bytes_;
  std::span<const char> piece_;  ///< not decoded yet
  Base64Quartet decoded_;
  std::size_t decoded_begin_ = 0;
  std::uint64_t produced_ = 0;  ///< bytes decoded so far
};

class StartBytes final : public ByteSource {
 public:
  StartBytes(std::vector<std::byte> start, std::string where, std::uint64_t size)
      : start_(std::move(start)), where_(std::move(where)), size_(size) {}

  const std::string& name() const override { return where_; }
  std::uint64_t size() const override { return size_; }

  void read(std::span<std::byte> out) override {
    if (out.size() > start_.size() - position_) {
      throw TraceError(where_, "has a header of more than {} bytes", start_.size());
    }
    std::copy_n(start_.begin() + static_cast<std::ptrdiff_t>(position_), out.size(), out.begin());
    position_ += out.size();
  }

  void finish() override {}

 private:
  std::vector<std::byte> start_;
  std::string where_;
  std::uint64_t size_;
  std::size_t position_ = 0;
};

}  // namespace

Base64Field measure_base64(JsonFields& json, const std::string& where, std::size_t start_bytes) {
  const std::size_t start_characters = (start_bytes + base64_triple - 1) / base64_triple * base64_quartet;
  std::string start;
  std::array<char, 2> last{};
  std::uint64_t characters = 0;
  std::span<const char> piece;
  while (json.string_piece(piece)) {
    start.append(piece.data(), std::min(piece.size(), start_characters - start.size()));
    last[0] = piece.size() > 1 ? piece[piece.size() - 2] : last[1];
    last[1] = piece.back();
    characters += piece.size();
  }
  if (characters % base64_quartet != 0) {
    throw TraceError(where, "has {} characters of base64, which is no multiple of {}: it was cut off, or is no base64",
                     characters, base64_quartet);
  }
  const std::uint64_t padding = last[1] != '=' ? 0 : last[0] != '=' ? 1 : 2;
  Base64Field field{.bytes = characters / base64_quartet * base64_triple - padding, .start = {}};
  for (std::size_t at = 0; at < start.size(); at += base64_quartet) {
    const Base64Quartet quartet = decode_base64_quartet(std::span(start).subspan(at).first<base64_quartet>());
    if (quartet.size == 0) {
      throw TraceError(where, "'{}' at character {} is no base64", printable({&start[at + quartet.wrong_at], 1}),
                       at + quartet.wrong_at);
    }
    field.start.insert(field.start.end(), quartet.bytes.begin(),
                       quartet.bytes.begin() + static_cast<std::ptrdiff_t>(quartet.size));
  }
  return field;
}

std::unique_ptr<ByteSource> open_base64(JsonFields& json, std::string where, std::uint64_t bytes) {
  return std::make_unique<Base64Bytes>(json, std::move(where), bytes);
}

std::unique_ptr<ByteSource> open_start(std::vector<std::byte> start, std::string where, std::uint64_t size) {
  return std::make_unique<StartBytes>(std::move(start), std::move(where), size);
}

}  // namespace dsasim
