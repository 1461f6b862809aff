#pragma once

#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "text_stream.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Lines of a text, without what ends them. None is longer than 4096 bytes, and the last one ends as the others do: a
/// file that was cut within a number cannot be told from a whole one otherwise.
class TextLines {
 public:
  explicit TextLines(const std::filesystem::path& path) : text_(open_text(path)), buffer_(buffer_bytes) {}

  std::uint64_t number() const noexcept { return number_; }
  std::string place() const { return fmt::format("{}: line {}", text_->name(), number_); }

  bool next(std::string_view& line) {
    line_.clear();
    ++number_;
    while (true) {
      if (at_ == end_) {
        at_ = 0;
        end_ = text_->read_some(std::as_writable_bytes(std::span(buffer_)));
        if (end_ == 0) {
          require_end();
          return false;
        }
      }
      const std::string_view rest(buffer_.data() + at_, end_ - at_);
      const std::size_t length = rest.find('\n');
      line_.append(rest.substr(0, length));
      if (line_.size() > longest_line) {
        throw TraceError(place(), "is longer than {} bytes", longest_line);
      }
      at_ += length == std::string_view::npos ? rest.size() : length + 1;
      if (length != std::string_view::npos) {
        break;
      }
    }
    if (line_.ends_with('\r')) {
      line_.pop_back();
    }
    line = line_;
    return true;
  }

 private:
  static constexpr std::size_t longest_line = 4096;
  static constexpr std::size_t buffer_bytes = std::size_t{1} << 18U;

  void require_end() const {
    if (!line_.empty()) {
      throw TraceError(place(), "the file ends within \"{}\" and may be cut off; a whole file ends with a line end",
                       printable(line_));
    }
  }

  std::unique_ptr<TextStream> text_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::string line_;
  std::uint64_t number_ = 0;
};

}  // namespace dsasim
