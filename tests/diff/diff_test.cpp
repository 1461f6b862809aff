// Every kind of difference, what a tolerance reaches and what it does not, the order of what is reported, and input
// that is hostile.

#include "dsasim/diff/diff.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace dsasim;

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* report = R"({
  "schema": "dsasim-report/1", "tool": {"version": "0.1.0"},
  "config": {"policy": "lru", "capacity_entries": 256, "miss_ns": 200.0},
  "trace": {"accesses": 1000, "digest": "aa"},
  "totals": {"misses": 100, "miss_ratio": 0.1, "fetched_bytes": null, "gather_ns": 20000},
  "layers": [{"layer": 0, "misses": 40, "gather_ns": 8000}, {"layer": 1, "misses": 60, "gather_ns": 12000}],
  "histogram": {"edges": [0, 0.5, 1], "counts": [3, 4]}
})";

/// The report with one change in it, as an RFC 6902 patch.
std::string patched(const char* patch) {
  return nlohmann::json::parse(report).patch(nlohmann::json::parse(patch)).dump();
}

std::string replaced(const char* path, const char* value) {
  return patched(fmt::format(R"([{{"op": "replace", "path": "{}", "value": {}}}])", path, value).c_str());
}

DiffResult compare(const std::string& a, const std::string& b, const std::vector<std::string>& tolerances = {},
                   const std::vector<std::string>& ignored = {}) {
  DiffOptions options{.tolerances = {}, .ignored = ignored};
  for (const std::string& tolerance : tolerances) {
    options.tolerances.push_back(parse_tolerance(tolerance));
  }
  return diff(ConfigObject::parse("a.json", a), ConfigObject::parse("b.json", b), options);
}

bool equal(const std::string& a, const std::string& b, const std::vector<std::string>& tolerances = {},
           const std::vector<std::string>& ignored = {}) {
  return compare(a, b, tolerances, ignored).differences.empty();
}

Difference only_difference(const std::string& b) {
  const DiffResult result = compare(report, b);
  REQUIRE(result.differences.size() == 1);
  return result.differences.front();
}

std::string error_of(const std::string& a, const std::string& b, const std::vector<std::string>& tolerances = {},
                     const std::vector<std::string>& ignored = {}) {
  try {
    compare(a, b, tolerances, ignored);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a document equals itself, whatever the order of its keys", "[diff]") {
  const DiffResult same = compare(report, report);
  CHECK(same.differences.empty());
  CHECK(same.compared_values == 21);  // all numbers, strings and null; not the tool's version
  CHECK(same.tolerated_values == 0);
  CHECK(equal(report, nlohmann::json::parse(report).dump()));  // keys by the alphabet
}

TEST_CASE("each kind of difference", "[diff]") {
  const Difference value = only_difference(replaced("/layers/1/misses", "61"));
  CHECK(value.path == "/layers[layer=1]/misses");
  CHECK(value.kind == DifferenceKind::value);
  CHECK(value.first == "60");
  CHECK(value.second == "61");
  CHECK(value.change == 1.0);
  CHECK(value.relative == 1.0 / 60);

  const Difference text = only_difference(replaced("/config/policy", R"("f\u00efo\u001b")"));
  CHECK(text.path == "/config/policy");
  CHECK(text.kind == DifferenceKind::value);
  CHECK(text.second == R"("f\u00efo\u001b")");  // nothing that a terminal would take for a command
  CHECK_FALSE(text.change);

  const Difference null = only_difference(replaced("/totals/fetched_bytes", "0"));
  CHECK(null.kind == DifferenceKind::type);
  CHECK(null.first == "null");
  CHECK(null.second == "0");

  const Difference structure = only_difference(replaced("/totals/misses", R"([1, 2])"));
  CHECK(structure.kind == DifferenceKind::type);
  CHECK(structure.second == R"({"length":2})");

  const Difference removed = only_difference(patched(R"([{"op": "remove", "path": "/totals/misses"}])"));
  CHECK(removed.path == "/totals/misses");
  CHECK(removed.kind == DifferenceKind::only_in_first);
  CHECK(removed.first == "100");
  CHECK(removed.second.empty());

  const Difference added = only_difference(patched(R"([{"op": "add", "path": "/new", "value": {"a": 1}}])"));
  CHECK(added.path == "/new");
  CHECK(added.kind == DifferenceKind::only_in_second);
  CHECK(added.second == R"({"keys":1})");

  const Difference length = only_difference(patched(R"([{"op": "remove", "path": "/histogram/counts/1"}])"));
  CHECK(length.path == "/histogram/counts");
  CHECK(length.kind == DifferenceKind::length);
  CHECK(length.first == R"({"length":2})");
  CHECK(length.second == R"({"length":1})");

  const Difference layer = only_difference(patched(R"([{"op": "remove", "path": "/layers/0"}])"));
  CHECK(layer.path == "/layers[layer=0]");  // and not layer 1 against layer 0
  CHECK(layer.kind == DifferenceKind::only_in_first);

  const Difference item = only_difference(replaced("/histogram/edges/1", "0.25"));
  CHECK(item.path == "/histogram/edges[1]");
}

TEST_CASE("counts are exact to the last bit", "[diff]") {
  // As doubles these two are the same.
  const std::string huge = replaced("/totals/misses", "18446744073709551615");
  CHECK_FALSE(equal(huge, replaced("/totals/misses", "18446744073709551614"), {"0.5"}));
  CHECK_FALSE(equal(replaced("/totals/misses", "-9223372036854775808"), huge));
  CHECK(equal(huge, huge));
  CHECK(compare(replaced("/totals/misses", "0"), report).differences.front().relative == std::nullopt);
}

TEST_CASE("a tolerance reaches times and fractions, and counts only by name", "[diff]") {
  const std::string slower = replaced("/totals/gather_ns", "20400");  // by 2 %
  const std::string ratio = replaced("/totals/miss_ratio", "0.101");  // by 0.001, 1 %
  const std::string more = replaced("/totals/misses", "101");
  CHECK_FALSE(equal(report, slower));
  CHECK_FALSE(equal(report, ratio));
  CHECK_FALSE(equal(report, slower, {"0.019"}));
  CHECK(equal(report, slower, {"0.02"}));
  CHECK_FALSE(equal(report, slower, {"399"}));
  CHECK(equal(report, slower, {"400"}));
  CHECK_FALSE(equal(report, slower, {"1.9%"}));
  CHECK(equal(report, slower, {"2%"}));
  CHECK(equal(report, ratio, {"0.0011"}));
  CHECK_FALSE(equal(report, ratio, {"0.9%"}));
  CHECK(equal(report, ratio, {"1.1%"}));
  CHECK_FALSE(equal(report, more, {"0.5"}));
  CHECK_FALSE(equal(report, more, {"totals=50%"}));
  CHECK(equal(report, more, {"misses=1"}));
  CHECK(equal(report, more, {"misses=1%"}));
  CHECK_FALSE(equal(report, more, {"misses=0.9%"}));
  CHECK(compare(report, slower, {"2%"}).tolerated_values == 1);

  // What lies below a time is one too.
  const auto timed = [](int p50) {
    return fmt::format(R"({{"schema": "dsasim-report/1", "tpot_ns": {{"mean": 1000.5, "p50": {}}}}})", p50);
  };
  CHECK(equal(timed(1000), timed(1010), {"1%"}));
  CHECK_FALSE(equal(timed(1000), timed(1011), {"1%"}));

  // The innermost name wins, then the last.
  CHECK_FALSE(equal(report, slower, {"50%", "gather_ns=1%"}));
  CHECK(equal(report, slower, {"gather_ns=2%", "totals=0.1%", "0"}));
  CHECK(equal(report, slower, {"totals=2%"}));
  CHECK_FALSE(equal(report, slower, {"layers=2%"}));
  CHECK(equal(report, slower, {"1%", "2%"}));
  CHECK_FALSE(equal(report, slower, {"2%", "1%"}));

  // Of what was asked nothing is tolerated.
  CHECK_FALSE(equal(report, replaced("/config/miss_ns", "200.5"), {"0.5", "miss_ns=50%"}));
  CHECK_FALSE(equal(report, replaced("/config/capacity_entries", "257"), {"capacity_entries=50%"}));
}

TEST_CASE("what is ignored is not compared", "[diff]") {
  const std::string other = patched(R"([{"op": "replace", "path": "/config/policy", "value": "fifo"},
                                        {"op": "replace", "path": "/trace/digest", "value": "bb"}])");
  CHECK_FALSE(equal(report, other, {}, {"digest"}));
  CHECK(equal(report, other, {}, {"digest", "policy"}));
  CHECK(equal(report, other, {}, {"config", "trace"}));
}

TEST_CASE("what was asked comes first, then what is no number, then what moved farthest", "[diff]") {
  const DiffResult result = compare(report, patched(R"([{"op": "replace", "path": "/totals/misses", "value": 110},
                                  {"op": "replace", "path": "/layers/0/misses", "value": 20},
                                  {"op": "replace", "path": "/layers/1/misses", "value": 66},
                                  {"op": "remove", "path": "/totals/miss_ratio"},
                                  {"op": "replace", "path": "/histogram/edges/0", "value": 0.1},
                                  {"op": "replace", "path": "/trace/digest", "value": "bb"},
                                  {"op": "replace", "path": "/config/capacity_entries", "value": 257}])"));
  std::vector<std::string> paths;
  for (const Difference& difference : result.differences) {
    paths.push_back(difference.path);
  }
  CHECK(paths == std::vector<std::string>{"/config/capacity_entries", "/trace/digest", "/totals/miss_ratio",
                                          "/histogram/edges[0]", "/layers[layer=0]/misses", "/totals/misses",
                                          "/layers[layer=1]/misses"});
  const std::string table = diff_table(result);
  CHECK(table.find("The config differs: capacity_entries.\nThe trace differs: digest.\n") != std::string::npos);
}

TEST_CASE("traces of equal selections that replay differently are said to be so", "[diff]") {
  const auto with = [](const char* digest, const char* replay_digest) {
    return patched(fmt::format(R"([{{"op": "replace", "path": "/trace/digest", "value": "{}"}},
                                   {{"op": "add", "path": "/trace/replay_digest", "value": "{}"}}])",
                               digest, replay_digest)
                       .c_str());
  };
  const std::string sentence = "Both traces hold the same selections.";
  const std::string same_selections = diff_table(compare(with("aa", "c1"), with("aa", "c2")));
  CHECK(same_selections.find("The trace differs: replay_digest.\n" + sentence) != std::string::npos);
  CHECK(diff_table(compare(with("aa", "c1"), with("bb", "c2"))).find(sentence) == std::string::npos);
  const std::string older = diff_table(compare(report, with("aa", "c1")));
  CHECK(older.find("The trace differs: replay_digest.\n") != std::string::npos);
  CHECK(older.find(sentence) == std::string::npos);
  CHECK(equal(with("aa", "c1"), with("aa", "c1")));
}

TEST_CASE("points of curves go by their capacity, and equal rows by their place", "[diff]") {
  const auto curve = [](const char* points) {
    return fmt::format(R"({{"schema": "dsasim-curve/1", "points": [{}]}})", points);
  };
  const std::string two = curve(R"({"capacity_entries": 4, "misses": 9}, {"capacity_entries": 8, "misses": 5})");
  const std::string three = curve(
      R"({"capacity_entries": 4, "misses": 9}, {"capacity_entries": 6, "misses": 7}, {"capacity_entries": 8, "misses": 5})");
  const DiffResult result = compare(two, three);
  REQUIRE(result.differences.size() == 1);
  CHECK(result.differences[0].path == "/points[capacity_entries=6]");
  CHECK(result.differences[0].kind == DifferenceKind::only_in_second);

  const std::string twice = curve(R"({"capacity_entries": 4, "misses": 9}, {"capacity_entries": 4, "misses": 8})");
  const DiffResult by_place = compare(two, twice);
  REQUIRE(by_place.differences.size() == 2);
  CHECK(by_place.differences[0].path == "/points[1]/misses");
}

TEST_CASE("other schemas and other versions are said plainly", "[diff]") {
  const std::string curve = R"({"schema": "dsasim-curve/1", "tool": {"version": "0.1.0"}, "points": []})";
  const DiffResult other = compare(report, curve);
  REQUIRE(other.differences.size() == 1);
  CHECK(other.differences[0].path == "/schema");
  CHECK(diff_table(other) == "Nothing to compare: the first is dsasim-report/1, the second dsasim-curve/1.\n");

  const DiffResult newer = compare(report, replaced("/tool/version", R"("0.2.0")"));
  CHECK(newer.differences.empty());
  CHECK(diff_table(newer) == "Equal: dsasim-report/1, 21 values.\nMade by dsasim 0.1.0 and 0.2.0.\n");
}

TEST_CASE("the JSON has every difference", "[diff]") {
  std::string numbers = "0";
  for (int i = 1; i < 40; ++i) {
    numbers += fmt::format(",{}", i);
  }
  const std::string a = fmt::format(R"({{"schema": "dsasim-x/1", "n": [{}], "s": "x"}})", numbers);
  const std::string b = fmt::format(R"({{"schema": "dsasim-x/1", "n": [9{}]}})", numbers);
  const DiffResult result = compare(a, b);
  const Json json = Json::parse(diff_json(result));
  CHECK(json["schema"] == "dsasim-diff/1");
  CHECK(json["equal"] == false);
  CHECK(json["first"] == Json{{"schema", "dsasim-x/1"}, {"version", nullptr}});
  CHECK(json["differences"].size() == result.differences.size());
  CHECK(json["differences"][0] == Json{{"path", "/s"},
                                       {"kind", "only_in_first"},
                                       {"first", "x"},
                                       {"second", nullptr},
                                       {"change", nullptr},
                                       {"relative", nullptr}});
  CHECK(Json::parse(diff_json(compare(a, a)))["equal"] == true);

  const std::string none = fmt::format(R"({{"schema": "dsasim-x/1", "n": [{}]}})", "-1" + std::string(200, ' '));
  CHECK(diff_table(compare(none, none)).find("Equal") == 0);
}

TEST_CASE("a long list is cut in the table", "[diff]") {
  Json a = {{"schema", "dsasim-x/1"}};
  Json b = a;
  for (int i = 0; i < 30; ++i) {
    a[fmt::format("k{}", i)] = 100;
    b[fmt::format("k{}", i)] = 101 + i;
  }
  const std::string table = diff_table(compare(a.dump(), b.dump()));
  CHECK(table.find("Different: dsasim-x/1, 30 differences in 31 values.") == 0);
  CHECK(table.find("  ... 10 more; --json has all\n") != std::string::npos);
  CHECK(table.find("/k29 ") < table.find("/k28 "));
  CHECK(table.find("/k9 ") == std::string::npos);
}

TEST_CASE("hostile documents are refused", "[diff]") {
  CHECK_THROWS_AS(compare(report, "{"), ConfigError);
  CHECK_THROWS_AS(compare(report, ""), ConfigError);
  CHECK_THROWS_AS(compare(report, "\xff"), ConfigError);
  CHECK(error_of(report, "[]").find("expected an object, found array") != std::string::npos);
  CHECK(error_of(report, R"({"a": 1, "a": 2})").find("duplicate key \"a\"") != std::string::npos);
  CHECK(error_of(report, R"({"policy": "lru"})").find("found no schema") != std::string::npos);
  CHECK(error_of(report, R"({"schema": 1})").find("found the schema 1") != std::string::npos);
  CHECK(error_of(report, R"({"schema": "other/1"})").find("found the schema \"other/1\"") != std::string::npos);

  const std::string deep = R"({"schema": "dsasim-report/1", "a": )" + std::string(1'000'000, '[');
  CHECK(error_of(report, deep) == "b.json: nests deeper than 64 levels");
  std::string wide = R"({"schema": "dsasim-report/1")";
  for (int i = 0; i < 5000; ++i) {
    wide += fmt::format(R"(, "{}": 0)", i);
  }
  CHECK(error_of(report, wide + "}") == "b.json: an object has more than 4096 keys");

  // Two integers that a double cannot tell apart; and one beyond all doubles.
  const auto with_misses = [](const char* number) {
    return fmt::format(R"({{"schema": "dsasim-report/1", "misses": {}}})", number);
  };
  CHECK(error_of(with_misses("100000000000000000000"), with_misses("100000000000000000001")) ==
        "/misses: expected numbers below 2^63, found 1e+20");
  CHECK_THROWS_AS(compare(with_misses("1"), with_misses("1e999")), ConfigError);
}

TEST_CASE("fields that are not there, and tolerances that are none", "[diff]") {
  CHECK(error_of(report, report, {"gather_nz=5%"})
            .find("`tolerance`: neither document has a field \"gather_nz\" (did you mean \"gather_ns\"?); "
                  "known: accesses, capacity_entries, config,") == 0);
  CHECK(error_of(report, report, {}, {"digset"}).find("`ignore`: neither document has a field \"digset\"") == 0);
  for (const char* text : {"", "x", "-1", "1%%", "=1", "a=", "a=b=1", "nan", "inf", "1e999", "0x1", "5 %"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_tolerance(text), ConfigError);
  }
  const Tolerance share = parse_tolerance("gather_ns=2.5%");
  CHECK(share.field == "gather_ns");
  CHECK(share.absolute == 0);
  CHECK(share.relative == 0.025);
}
