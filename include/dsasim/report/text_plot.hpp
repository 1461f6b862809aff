#pragma once

#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// A line of a chart in text.
struct TextLine {
  struct Point {
    double x = 0;  ///< above 0
    double y = 0;  ///< from 0 to 1
  };
  std::string name;
  std::vector<Point> points;  ///< x ascending
  bool holds = false;         ///< between two points y is that of the first; otherwise a straight line joins them
};

/// Miss ratios over capacities, the latter on a logarithmic axis, in braille: 2 x 4 dots a character, which needs
/// UTF-8. Of several lines each has a letter at its points. Empty without points. `columns` is the width of the
/// terminal.
std::string text_plot(std::span<const TextLine> lines, unsigned columns);

}  // namespace dsasim
