#include "dsasim/report/text_plot.hpp"

#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace dsasim {
namespace {

constexpr std::size_t rows = 14;
constexpr std::size_t dots_across = 2;  // of a character
constexpr std::size_t dots_down = 4;
constexpr std::size_t margin = 7;  // "100% |"

/// Unicode's bits of the dots, by column and row.
constexpr std::array<std::array<std::uint8_t, dots_down>, dots_across> dot_bits = {
    {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};

/// U+2800 and the dots, as UTF-8.
std::string braille(std::uint8_t dots) {
  return {'\xE2', static_cast<char>(0xA0 | (dots >> 6U)), static_cast<char>(0x80 | (dots & 0x3FU))};
}

class Canvas {
 public:
  Canvas(std::size_t width, double least, double most)
      : width_(width),
        least_(std::log(least)),
        scale_(std::log(most / least)),
        dots_(width * rows),
        letters_(width * rows) {}

  /// From the left edge to the right, 0 to 1.
  double share_of(double x) const { return scale_ > 0 ? (std::log(x) - least_) / scale_ : 0; }
  double x_at(double share) const { return std::exp(least_ + share * scale_); }

  void draw(const TextLine& line) {
    const std::size_t across = width_ * dots_across;
    std::size_t before = rows * dots_down;
    for (std::size_t column = 0; column < across; ++column) {
      const double x = x_at(static_cast<double>(column) / static_cast<double>(across - 1));
      constexpr double slack = 1e-9;  // of rounding, at the ends
      if (x < line.points.front().x * (1 - slack) || (!line.holds && x > line.points.back().x * (1 + slack))) {
        continue;
      }
      const std::size_t down = dot_of(value_at(line, x));
      const std::size_t from = before == rows * dots_down ? down : before;
      for (std::size_t dot = std::min(from, down); dot <= std::max(from, down); ++dot) {
        dots_[dot / dots_down * width_ + column / dots_across] |= dot_bits[column % dots_across][dot % dots_down];
      }
      before = down;
    }
  }

  /// Letters do not cover those before.
  void mark(const TextLine& line, char letter) {
    for (const TextLine::Point& point : line.points) {
      const auto column = static_cast<std::size_t>(std::lround(share_of(point.x) * static_cast<double>(width_ - 1)));
      char& cell = letters_[dot_of(point.y) / dots_down * width_ + column];
      cell = cell == 0 ? letter : cell;
    }
  }

  std::string row_text(std::size_t row) const {
    std::string out;
    for (std::size_t column = 0; column < width_; ++column) {
      const std::size_t cell = row * width_ + column;
      out += letters_[cell] != 0 ? std::string(1, letters_[cell]) : dots_[cell] == 0 ? " " : braille(dots_[cell]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
  }

 private:
  /// From the top.
  static std::size_t dot_of(double y) {
    constexpr std::size_t last = rows * dots_down - 1;
    return last - static_cast<std::size_t>(std::lround(std::clamp(y, 0.0, 1.0) * static_cast<double>(last)));
  }

  static double value_at(const TextLine& line, double x) {
    constexpr double slack = 1 + 1e-9;
    const auto after = std::upper_bound(line.points.begin(), line.points.end(), x * slack,
                                        [](double value, const TextLine::Point& point) { return value < point.x; });
    if (after == line.points.begin()) {
      return after->y;
    }
    const auto before = std::prev(after);
    if (line.holds || after == line.points.end()) {
      return before->y;
    }
    const double share = std::log(x / before->x) / std::log(after->x / before->x);
    return before->y + share * (after->y - before->y);
  }

  std::size_t width_;
  double least_;
  double scale_;
  std::vector<std::uint8_t> dots_;
  std::vector<char> letters_;
};

/// Capacities below the axis: its ends, and two between.
std::string x_labels(const Canvas& canvas, std::size_t width) {
  std::string out(margin, ' ');
  for (const double share : {0.0, 1.0 / 3, 2.0 / 3, 1.0}) {
    const std::string text = grouped(static_cast<std::uint64_t>(std::llround(canvas.x_at(share))));
    const auto middle = margin + static_cast<std::size_t>(std::lround(share * static_cast<double>(width - 1)));
    const std::size_t begin = share == 0 ? margin : share == 1 ? middle + 1 - text.size() : middle - text.size() / 2;
    if (begin > out.size() || share == 0) {
      out.resize(begin, ' ');
      out += text;
    }
  }
  return out;
}

}  // namespace

std::string text_plot(std::span<const TextLine> lines, unsigned columns) {
  std::vector<double> xs;
  for (const TextLine& line : lines) {
    std::transform(line.points.begin(), line.points.end(), std::back_inserter(xs),
                   [](const auto& point) { return point.x; });
  }
  if (xs.empty()) {
    return "";
  }
  constexpr unsigned least_columns = 40;
  constexpr unsigned most_columns = 100;
  const std::size_t width = std::clamp(columns, least_columns, most_columns) - margin - 1;
  const auto [least, most] = std::minmax_element(xs.begin(), xs.end());
  Canvas canvas(width, *least, *most);
  std::string legend;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].points.empty()) {
      continue;
    }
    canvas.draw(lines[i]);
    if (lines.size() > 1) {
      const char letter = static_cast<char>('a' + i % 26);
      canvas.mark(lines[i], letter);
      legend += fmt::format("{:{}}{} {}\n", "", margin, letter, lines[i].name);
    }
  }
  std::string out;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::string_view label = row == 0 ? "100%" : row == rows / 2 ? "50%" : row + 1 == rows ? "0%" : "";
    out += fmt::format("{:>5} {}{}\n", label, "\u2502", canvas.row_text(row));
  }
  return out + x_labels(canvas, width) + "\n" + legend;
}

}  // namespace dsasim
