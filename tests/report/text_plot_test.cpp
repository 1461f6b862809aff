// Charts in text: dots of braille, worked out by hand.

#include "dsasim/report/text_plot.hpp"

#include "catch.hpp"

#include <sstream>

using namespace dsasim;

namespace {

std::vector<std::string> rows_of(const std::string& plot) {
  std::vector<std::string> rows;
  std::istringstream in(plot);
  for (std::string row; std::getline(in, row);) {
    rows.push_back(row);
  }
  return rows;
}

std::string times(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += text;
  }
  return out;
}

constexpr std::size_t chart_rows = 14;
constexpr std::size_t width_of_40 = 32;  // characters of the chart, in 40 columns

}  // namespace

TEST_CASE("A line at 1 is the top dots of the first row, one at 0 the bottom dots of the last") {
  const auto top = rows_of(text_plot(std::vector{TextLine{.name = "", .points = {{1, 1}, {64, 1}}}}, 40));
  REQUIRE(top.size() == chart_rows + 1);
  REQUIRE(top[0] == " 100% │" + times("⠉", width_of_40));
  REQUIRE(top[1] == "      │");
  REQUIRE(top[13] == "   0% │");
  REQUIRE(top[14] == "       1         4         16        64");
  const auto bottom = rows_of(text_plot(std::vector{TextLine{.name = "", .points = {{1, 0}, {64, 0}}}}, 40));
  REQUIRE(bottom[0] == " 100% │");
  REQUIRE(bottom[13] == "   0% │" + times("⣀", width_of_40));
}

TEST_CASE("A line that holds falls at its points; another one falls between them") {
  // The middle of 1 to 64 is 8: 16 characters at 1, then 16 at 0; the column of the fall has all dots between.
  const TextLine::Point first{1, 1};
  const TextLine::Point middle{8, 0};
  const TextLine::Point last{64, 0};
  const auto held =
      rows_of(text_plot(std::vector{TextLine{.name = "", .points = {first, middle, last}, .holds = true}}, 40));
  REQUIRE(held[0] == " 100% │" + times("⠉", 16) + "⡇");
  REQUIRE(held[5] == "      │" + times(" ", 16) + "⡇");
  REQUIRE(held[13] == "   0% │" + times(" ", 16) + "⣇" + times("⣀", 15));
  const auto straight = rows_of(text_plot(std::vector{TextLine{.name = "", .points = {first, last}}}, 40));
  for (std::size_t row = 0; row < chart_rows; ++row) {
    REQUIRE(straight[row] != held[row]);
    REQUIRE(straight[row].size() > std::string("  50% │").size());  // it crosses every row
  }
}

TEST_CASE("Of several lines each has a letter at its points, and the first keeps a place") {
  const auto rows = rows_of(text_plot(
      std::vector{TextLine{.name = "one", .points = {{1, 1}, {64, 0}}},
                  TextLine{.name = "two", .points = {{1, 1}, {64, 1}}}, TextLine{.name = "none", .points = {}}},
      40));
  REQUIRE(rows.size() == chart_rows + 3);
  REQUIRE(rows[0].starts_with(" 100% │a"));
  REQUIRE(rows[0].ends_with("b"));
  REQUIRE(rows[13].ends_with("a"));
  REQUIRE(rows[15] == "       a one");
  REQUIRE(rows[16] == "       b two");
}

TEST_CASE("Few points and odd terminals") {
  REQUIRE(text_plot(std::vector{TextLine{.name = "one", .points = {}}}, 80).empty());
  REQUIRE(text_plot({}, 80).empty());
  const std::vector one{TextLine{.name = "", .points = {{512, 0.5}}}};
  REQUIRE(rows_of(text_plot(one, 80)).size() == chart_rows + 1);
  REQUIRE(text_plot(one, 1) == text_plot(one, 40));
  REQUIRE(text_plot(one, 5000) == text_plot(one, 100));
}
