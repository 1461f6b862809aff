// The page of `dsasim report`: what it holds of its documents. What a browser makes of it: tests/pictures/run.py.

#include "dsasim/report/html_report.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/report/report.hpp"
#include "import/captures.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <functional>

using namespace dsasim;

namespace {

using Json = nlohmann::json;

/// What the page's scripts read.
Json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t at = page.find(begin) + begin.size();
  REQUIRE(page.find(begin) != std::string::npos);
  return Json::parse(page.substr(at, page.find("</script>", at) - at));
}

Json only_document(const std::string& text) {
  return data_of(html_report(
      {.documents = {{.name = "d.json", .text = text}}, .grids = {}, .gpus = {}}))["documents"][0]["document"];
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

/// accesses, hits, misses, compulsory, evictions, bytes, pages, ns
std::string row(std::uint64_t step, int layer, int misses, const char* bytes = "") {
  return fmt::format("{},{},0,10,{},{},1,2,{},3,600", step, layer, 10 - misses, misses, bytes);
}

bool has(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) {
    UNSCOPED_INFO("\"" << part << "\" in: " << text.substr(0, 300));
    return false;
  }
  return true;
}

constexpr std::size_t misses_measure = 2;
constexpr std::size_t bytes_measure = 5;

}  // namespace

TEST_CASE("Rows of --per-step are added up by layer and by columns of steps, which double until they are few") {
  StepGrid grid("rows");
  REQUIRE(grid.measures() == std::vector<std::string>{"accesses", "hits", "misses", "compulsory_misses", "evictions",
                                                      "fetched_bytes", "missed_pages", "gather_ns"});
  constexpr std::uint64_t first = 100;
  constexpr std::uint64_t steps = 3 * StepGrid::most_columns + 5;  // columns of 4
  std::vector<std::uint64_t> by_column(StepGrid::most_columns);
  for (std::uint64_t step = 0; step < steps; ++step) {
    const int misses = static_cast<int>(step % 7);
    grid.add(row(first + step, 9, misses));
    grid.add(row(first + step, 4, 1));
    grid.add(row(first + step, 4, 2));  // another request
    by_column[step / 4] += static_cast<std::uint64_t>(misses);
  }
  REQUIRE(grid.steps_per_column() == 4);
  REQUIRE(grid.columns() == (steps + 3) / 4);
  REQUIRE(grid.first_step() == first);
  REQUIRE(grid.last_step() == first + steps - 1);
  REQUIRE(grid.rows() == 3 * steps);
  REQUIRE(grid.layers().size() == 2);
  REQUIRE(grid.layers()[0].layer == 4);
  REQUIRE(grid.layers()[0].cells[misses_measure][0] == 4 * 3);
  REQUIRE(grid.layers()[1].layer == 9);
  for (std::size_t column = 0; column < StepGrid::most_columns; ++column) {
    REQUIRE(grid.layers()[1].cells[misses_measure][column] == by_column[column]);
  }
  REQUIRE_FALSE(grid.is_known(bytes_measure));
  REQUIRE(grid.is_known(misses_measure));
}

TEST_CASE("A step that is far away is one more column") {
  StepGrid grid("rows");
  grid.add(row(0, 0, 3));
  grid.add(row(std::uint64_t{1} << 62U, 0, 4));
  REQUIRE(grid.columns() <= StepGrid::most_columns);
  REQUIRE(grid.layers()[0].cells[misses_measure][0] == 3);
  REQUIRE(grid.layers()[0].cells[misses_measure][grid.columns() - 1] == 4);
}

TEST_CASE("Rows that are none say where") {
  const auto refused = [](const std::string& text) {
    const captures::TempDir folder;
    std::ofstream(folder / "rows.csv") << text;
    return message_of([&] { StepGrid::read(folder / "rows.csv"); });
  };
  const std::string header = step_csv_header({});
  REQUIRE(has(refused("step,layer\n"), "rows.csv:1: expected the header"));
  REQUIRE(has(refused(header + row(0, 0, 1) + "\n1,2,3\n"), "rows.csv:3: expected 11 cells"));
  REQUIRE(has(refused(header + row(0, 0, 1) + "\n" + row(1, 1024, 1) + "\n"),
              "rows.csv:3: expected a number from 0 to 1023"));
  REQUIRE(has(refused(header + "0,0,0,1,2,-3,4,5,6,7,8\n"), "rows.csv:2: expected a number"));
  REQUIRE(has(refused(header + row(5, 0, 1) + "\n" + row(4, 0, 1) + "\n"), "rows.csv:3: expected rows in the order"));
  REQUIRE(has(refused(header + "0,0,0,18446744073709551615,2,3,4,5,6,7,8\n" + row(1, 0, 1) + "\n"),
              "accesses: comes to 2^64 or more"));
}

TEST_CASE("A document is in the page to the digit") {
  SECTION("numbers that a browser has not come as their digits") {
    const Json found = only_document(
        R"({"schema": "dsasim-step/1", "a": 9007199254740992, "b": 9007199254740993, "c": 0.1113623046875})");
    REQUIRE(found["a"] == 9007199254740992);
    REQUIRE(found["b"] == "9007199254740993");
    REQUIRE(found["c"] == 0.1113623046875);
  }
  SECTION("lists of like objects have their keys once") {
    std::string points;
    for (int i = 0; i < 8; ++i) {
      points += fmt::format(R"({}{{"x": {}, "y": null}})", i == 0 ? "" : ", ", i);
    }
    const Json found =
        only_document(fmt::format(R"({{"schema": "dsasim-step/1", "points": [{}], "few": [{{"x": 1}}]}})", points));
    REQUIRE(found["points"]["$columns"] == Json({"x", "y"}));
    REQUIRE(found["points"]["$rows"][7] == Json({7, nullptr}));
    REQUIRE(found["few"] == Json::parse(R"([{"x": 1}])"));
  }
  SECTION("lists of other objects stay") {
    const std::string list = R"([{"x":1},{"x":1},{"x":1},{"x":1},{"x":1},{"x":1},{"x":1},{"y":1}])";
    REQUIRE(only_document(R"({"schema": "dsasim-step/1", "list": )" + list + "}")["list"] == Json::parse(list));
  }
}

TEST_CASE("Nothing in a document is markup") {
  const std::string evil = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)>";
  const std::string page =
      html_report({.documents = {{.name = evil, .text = Json({{"schema", "dsasim-step/1"}, {evil, evil}}).dump()}},
                   .grids = {},
                   .gpus = {}});
  REQUIRE(page.find("alert(1)</script>") == std::string::npos);
  REQUIRE(page.find("<img") == std::string::npos);
  REQUIRE(data_of(page)["documents"][0]["name"] == evil);
  REQUIRE(data_of(page)["documents"][0]["document"][evil] == evil);
}

TEST_CASE("A page loads nothing") {
  const std::string page = html_report(
      {.documents = {{.name = "d.json", .text = R"({"schema": "dsasim-step/1"})"}}, .grids = {}, .gpus = {}});
  REQUIRE(has(page, "default-src 'none'"));
  REQUIRE_FALSE(has(page, " src="));
  REQUIRE_FALSE(has(page, "@import"));
  REQUIRE_FALSE(has(page, "@d3@"));
  REQUIRE_FALSE(has(page, "@scripts@"));
  REQUIRE(has(page, "Michael Bostock"));
  REQUIRE(has(page, "BSD-3-Clause"));  // D3's licence asks for it
}

TEST_CASE("Rows go with the report whose totals are their sums") {
  const auto report = [](int misses) {
    return fmt::format(
        R"({{"schema": "dsasim-report/1", "totals": {{"accesses": 20, "hits": {}, "misses": {}, "compulsory_misses": 2,
      "evictions": 4, "fetched_bytes": null, "missed_pages": 6, "gather_ns": 1200}}}})",
        20 - misses, misses);
  };
  StepGrid grid("rows.csv");
  grid.add(row(0, 0, 3));
  grid.add(row(1, 0, 4));
  HtmlReport input{.documents = {{.name = "a.json", .text = report(6)}, {.name = "b.json", .text = report(7)}},
                   .grids = {grid},
                   .gpus = {}};
  const Json documents = data_of(html_report(input))["documents"];
  REQUIRE_FALSE(documents[0].contains("steps"));
  REQUIRE(documents[1]["steps"]["cells"]["misses"] == Json::parse("[[3, 4]]"));
  REQUIRE_FALSE(documents[1]["steps"]["cells"].contains("fetched_bytes"));
  input.documents[0].text = R"({"schema": "dsasim-report/1", "totals": 5})";
  REQUIRE(data_of(html_report(input))["documents"][1].contains("steps"));
  input.grids.push_back(grid);
  REQUIRE(has(message_of([&] { html_report(input); }),
              "rows.csv: its columns add up to 7 misses of 20 accesses; expected"));
}

TEST_CASE("What has no pictures is refused") {
  const auto refused = [](const std::string& text) { return message_of([&] { only_document(text); }); };
  REQUIRE(has(refused("[1]"), "d.json: expected a JSON document of dsasim"));
  REQUIRE(has(refused("{"), "d.json: parse error"));
  REQUIRE(has(refused(R"({"schema": 7})"), "found none"));
  REQUIRE(has(refused(R"({"schema": "dsasim-diff/1"})"), "dsasim-report/1"));
  REQUIRE(has(refused(R"({"schema": "dsasim-diff/1"})"), "found \"dsasim-diff/1\""));
}

TEST_CASE("The GPU is the one that was named, or the document's, or an H200") {
  const auto gpu_of = [](std::vector<Gpu> gpus, const std::string& text) {
    return data_of(
        html_report({.documents = {{.name = "d.json", .text = text}}, .grids = {}, .gpus = std::move(gpus)}))["gpus"];
  };
  const std::string plain = R"({"schema": "dsasim-step/1"})";
  const std::string own =
      R"({"schema": "dsasim-report/1", "config": {"gpu": "mine", "gpu_parameters": {"llc": "40MiB"}}})";
  REQUIRE(gpu_of({}, plain) ==
          Json::parse(R"([{"name": "h200", "llc_bytes": 62914560, "set_aside_bytes": 39321600}])"));
  REQUIRE(gpu_of({}, own) == Json::parse(R"([{"name": "mine", "llc_bytes": 41943040, "set_aside_bytes": null}])"));
  REQUIRE(gpu_of({load_gpu("h100")}, own)[0]["name"] == "h100");
}
