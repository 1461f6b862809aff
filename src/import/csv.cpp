// Format "csv": a header line `request,step,layer,id` or `request,step,layer,id,score`, then one line for each selected
// id. The lines of a selection follow each other, in logged order; an empty id is a selection without ids. Nothing is
// quoted.
#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "dsasim/types.hpp"
#include "float16.hpp"
#include "formats.hpp"
#include "row_file.hpp"
#include "text_stream.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace dsasim {
namespace {

constexpr std::string_view header = "request,step,layer,id";
constexpr std::string_view header_with_scores = "request,step,layer,id,score";
constexpr std::size_t longest_line = 4096;
constexpr std::size_t buffer_bytes = std::size_t{1} << 18U;

/// Lines of a text, without what ends them.
class Lines {
 public:
  explicit Lines(const std::filesystem::path& path) : text_(open_text(path)), buffer_(buffer_bytes) {}

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
          line = line_;
          return !line_.empty();
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
  std::unique_ptr<TextStream> text_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::string line_;
  std::uint64_t number_ = 0;
};

/// A line, taken apart.
struct Record {
  std::string request;
  std::uint64_t step = 0;
  std::uint32_t layer = 0;
  std::optional<std::int64_t> id;
  std::uint16_t score = 0;
};

class CsvRows final : public RowReader {
 public:
  explicit CsvRows(const std::filesystem::path& path) : lines_(path) {
    std::string_view line;
    const bool any = lines_.next(line);
    has_scores_ = line == header_with_scores;
    if (!has_scores_ && line != header) {
      throw TraceError(lines_.place(), "{}, expected the header \"{}\" or \"{}\"",
                       any ? fmt::format("found \"{}\"", printable(line)) : "is missing", header, header_with_scores);
    }
    has_next_ = read_record();
  }

  bool has_scores() const noexcept { return has_scores_; }

  bool next(SelectionRow& row) override {
    if (!has_next_) {
      return false;
    }
    place_ = lines_.place();
    row.request = next_.request;
    row.step = next_.step;
    row.layer = next_.layer;
    row.ids.clear();
    row.scores.clear();
    do {
      append_id(row);
      has_next_ = read_record();
    } while (has_next_ && next_.request == row.request && next_.step == row.step && next_.layer == row.layer);
    return true;
  }

  std::string place() const override { return place_; }

 private:
  void append_id(SelectionRow& row) {
    if (!next_.id) {
      return;
    }
    constexpr std::size_t most_ids = std::size_t{1} << 24U;
    if (row.ids.size() == most_ids) {
      throw TraceError(lines_.place(), "the selection has more than {} ids", most_ids);
    }
    row.ids.push_back(*next_.id);
    if (has_scores_) {
      row.scores.push_back(next_.score);
    }
  }

  bool read_record() {
    std::string_view line;
    if (!lines_.next(line)) {
      return false;
    }
    rest_ = line;
    next_.request = column("request");
    next_.step = number(column("step"), "step");
    next_.layer = static_cast<std::uint32_t>(number(column("layer"), "layer"));
    const std::string_view id = has_scores_ ? column("id") : rest_;
    next_.id.reset();
    if (!id.empty()) {
      next_.id = static_cast<std::int64_t>(number(id, "id"));
    }
    next_.score = has_scores_ && next_.id ? score() : std::uint16_t{0};
    return true;
  }

  /// The text up to the next comma.
  std::string_view column(std::string_view name) {
    const std::size_t comma = rest_.find(',');
    if (comma == std::string_view::npos) {
      throw TraceError(lines_.place(), "ends after {}, expected {}", name, has_scores_ ? header_with_scores : header);
    }
    const std::string_view out = rest_.substr(0, comma);
    rest_.remove_prefix(comma + 1);
    return out;
  }

  std::uint64_t number(std::string_view text, std::string_view name) const {
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size() || out >= max_entry_ids) {
      throw TraceError(lines_.place(), "{} is \"{}\", expected a whole number below {}", name, printable(text),
                       max_entry_ids);
    }
    return out;
  }

  std::uint16_t score() const {
    double out = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), out);
    if (error != std::errc{} || end != rest_.data() + rest_.size()) {
      throw TraceError(lines_.place(), "score is \"{}\", expected a number", printable(rest_));
    }
    return float16_from(out);
  }

  Lines lines_;
  bool has_scores_ = false;
  std::string_view rest_;  ///< of the line that is taken apart
  Record next_;            ///< the first of the next selection
  bool has_next_ = false;
  std::string place_;
};

std::unique_ptr<RowReader> open_rows(const std::filesystem::path& path) {
  return std::make_unique<CsvRows>(path);
}

std::unique_ptr<CaptureFile> open_csv(const std::filesystem::path& path, const ImportOptions& /*options*/) {
  return row_file(path, {.open = open_rows, .has_scores = CsvRows(path).has_scores()});
}

}  // namespace

ImportFormat csv_format() {
  return {.name = "csv",
          .description = "one line for each id: request,step,layer,id or request,step,layer,id,score",
          .recognises = [](const CaptureStart& start) { return starts_with(start.bytes, header); },
          .open = open_csv};
}

}  // namespace dsasim
