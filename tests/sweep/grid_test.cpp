#include "dsasim/sweep/grid.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"

#include <array>
#include <string>
#include <vector>

using namespace dsasim;

namespace {

const std::array<std::string, 4> keys = {"trace", "policy", "capacity", "allow-truncated"};
const std::array<std::string, 2> columns = {"misses", "gather_ns"};

Grid parse(std::string_view text) {
  return Grid::parse("g.json", text, keys, columns);
}

/// The points as lists of values.
std::vector<std::string> points(const Grid& grid) {
  std::vector<std::string> texts;
  for (std::size_t point = 0; point < grid.points(); ++point) {
    std::string& text = texts.emplace_back();
    for (std::size_t axis = 0; axis < grid.axes().size(); ++axis) {
      text += (axis == 0 ? "" : " ") + grid.value(point, axis);
    }
  }
  return texts;
}

std::string error_of(std::string_view text) {
  try {
    parse(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("The points of a grid are the product of its values, the last key fastest") {
  const Grid grid = parse(R"({"trace": "t", "policy": ["lru", "fifo"], "capacity": [0, 0.5, "2x"]})");
  CHECK(points(grid) == std::vector<std::string>{"t lru 0", "t lru 0.5", "t lru 2x",  //
                                                 "t fifo 0", "t fifo 0.5", "t fifo 2x"});
  CHECK(grid.skipped() == 0);
  CHECK(points(parse(R"({"capacity": [1, 2], "trace": ["t", "u"], "allow-truncated": true})")) ==
        std::vector<std::string>{"1 t true", "1 u true", "2 t true", "2 u true"});
}

TEST_CASE("A rule skips the points that have all of its values, an array being any of them") {
  const std::string begin = R"({"trace": ["t", "u"], "policy": ["lru", "fifo"], "capacity": [1, 2, 3], "skip": )";
  const Grid one = parse(begin + R"([{"policy": "fifo", "capacity": [1, 3]}]})");
  CHECK(points(one) == std::vector<std::string>{"t lru 1", "t lru 2", "t lru 3", "t fifo 2",  //
                                                "u lru 1", "u lru 2", "u lru 3", "u fifo 2"});
  CHECK(one.skipped() == 4);
  const Grid two = parse(begin + R"([{"policy": "fifo"}, {"trace": "t", "capacity": 2}]})");
  CHECK(points(two) == std::vector<std::string>{"t lru 1", "t lru 3", "u lru 1", "u lru 2", "u lru 3"});
  CHECK(points(parse(begin + "[]}")).size() == 12);
}

TEST_CASE("What is wrong with a grid is said with what is known") {
  CHECK(error_of(R"({"trace": "t", "polcy": "lru"})") ==
        "g.json: unknown key \"polcy\" (did you mean \"policy\"?); known: trace, policy, capacity, allow-truncated, "
        "skip, columns");
  CHECK(error_of(R"({"policy": "lru"})") == "g.json: expected a key \"trace\", found none");
  CHECK(error_of(R"({"trace": []})") == "g.json: /trace: expected at least one value, found []");
  CHECK(error_of(R"({"trace": [["t"]]})") ==
        "g.json: /trace: expected a string, a number, true or false, found [\"t\"]");
  CHECK(error_of(R"({"trace": "t", "capacity": [1, "1"]})") == "g.json: /capacity: \"1\" is there twice");
  CHECK(error_of(R"({"trace": "a\nb"})") == "g.json: /trace: expected text without control characters");
  CHECK(error_of(R"({"trace": "t", "columns": ["missed"]})") ==
        "g.json: /columns: unknown column \"missed\" (did you mean \"misses\"?); known: misses, gather_ns");
  CHECK(error_of(R"({"trace": "t", "skip": [{"policy": "lru"}]})") ==
        "g.json: /skip/0: the grid has no key \"policy\"; known: trace");
  CHECK(error_of(R"({"trace": "t", "policy": ["lru", "fifo"], "skip": [{"policy": "fifa"}]})") ==
        "g.json: /skip/0: /policy: the grid has no value \"fifa\"; known: lru, fifo");
  CHECK(error_of(R"({"trace": "t", "skip": [{}]})") ==
        "g.json: /skip/0: expected values to skip, found {}, which would skip everything");
  CHECK(error_of(R"({"trace": "t", "skip": {"trace": "t"}})").find("expected an array of objects") !=
        std::string::npos);
  CHECK(error_of(R"({"trace": "t", "skip": [{"trace": "t"}]})") == "g.json: /skip: skips every point");
}

TEST_CASE("A grid of more points than anybody wants is refused before it costs memory") {
  const auto list = [](const std::string& key, int values) {
    std::string text = "\"" + key + "\": [0";
    for (int value = 1; value < values; ++value) {
      text += "," + std::to_string(value);
    }
    return text + "]";
  };
  CHECK(parse("{" + list("trace", 500) + "," + list("capacity", 200) + "}").points() == 100'000);
  CHECK(error_of("{" + list("trace", 501) + "," + list("capacity", 200) + "}") ==
        "g.json: expected at most 100000 points, found 501 x 200 = 100200; divide it");
  CHECK(error_of(R"({"policy": "lru", "trace": "t", )" + list("capacity", 100'001) + "}") ==
        "g.json: expected at most 100000 points, found 100001; divide it");
  std::string large = list("trace", 100'000);
  for (const char* key : {"policy", "capacity", "allow-truncated"}) {
    large += "," + list(key, 100'000);
  }
  CHECK(error_of("{" + large + "}") ==
        "g.json: expected at most 100000 points, found 100000 x 100000 x 100000 x 100000 = 1e+20; divide it");
}

TEST_CASE("A rule that names what a long axis lacks shows some of what it has") {
  std::string text = R"({"trace": "t", "capacity": [0)";
  for (int value = 1; value < 50; ++value) {
    text += "," + std::to_string(value);
  }
  CHECK(
      error_of(text + R"(], "skip": [{"capacity": [1, 50]}]})") ==
      "g.json: /skip/0: /capacity: the grid has no value \"50\"; known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, "
      "14, 15, 16, 17, 18, 19, ... (50 in all)");
}
