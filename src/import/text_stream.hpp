#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Bytes of unknown number, read once, from front to back.
class TextStream {
 public:
  virtual ~TextStream() = default;
  /// For messages.
  virtual const std::string& name() const = 0;
  /// Fills a part of `out`, at least one byte of it; 0 at the end. Throws TraceError if the stream is damaged.
  virtual std::size_t read_some(std::span<std::byte> out) = 0;
};

/// A file, or what a gzip or zstd file holds (several members or frames in a row are one text). Which it is, the first
/// bytes say and not the name. A byte order mark of UTF-8 is no part of the text. Of server-sent events the text is
/// what the lines "data: ..." hold, each at its place, and events_end for "data: [DONE]". Throws SystemError for what
/// is no readable regular file.
std::unique_ptr<TextStream> open_text(const std::filesystem::path& path);

/// Whether the file holds server-sent events: its text begins with a line of one.
bool holds_events(const std::filesystem::path& path);

/// The end of a stream of events, as a JSON object with the key events_end_key; as long as what it stands for.
inline constexpr std::string_view events_end = R"({"[DONE]":1})";
inline constexpr std::string_view events_end_key = "[DONE]";

/// The first 4096 bytes of the text, or all: what formats are recognised by.
std::vector<unsigned char> read_first_text(const std::filesystem::path& path);

}  // namespace dsasim
