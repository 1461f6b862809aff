#include "import/json_fields.hpp"

#include "captures.hpp"
#include "catch.hpp"
#include "reading.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <random>

using namespace dsasim;
using namespace captures;

using Event = JsonFields::Event;

namespace {

const std::vector<JsonFields::Path> fields{{"a"}, {"b", "c"}, {"d", "[]", "e"}};

/// What a walk finds, on one line: "a=1 e=x b.c=null ;" with a semicolon at the end of each document.
std::string walk(const TempDir& dir, std::string_view text) {
  write_file(dir / "j.json", text);
  JsonFields json(dir / "j.json", fields);
  std::string out;
  for (Event event = json.next(); event != Event::end; event = json.next()) {
    if (event == Event::end_of_document) {
      out += ";";
      continue;
    }
    out += json.field_name() + "=";
    switch (json.kind()) {
      case JsonKind::string:
        out += json.text(100);
        break;
      case JsonKind::number:
        out += std::to_string(json.unsigned_number());
        break;
      case JsonKind::array: {
        std::vector<std::int64_t> numbers;
        json.integers(numbers);
        for (const std::int64_t number : numbers) {
          out += std::to_string(number) + ",";
        }
        break;
      }
      default:
        out += "-";  // passed over
    }
    out += " ";
  }
  return out;
}

std::string walk_error(std::string_view text) {
  const TempDir dir;
  return error_of(dir, [&] { walk(dir, text); });
}

}  // namespace

TEST_CASE("fields are found in documents one after another and in lists", "[import][json]") {
  const TempDir dir;
  CHECK(walk(dir, "").empty());
  CHECK(walk(dir, " \r\n\t").empty());
  CHECK(walk(dir, "{}") == ";");
  CHECK(walk(dir, "[]").empty());
  CHECK(walk(dir, R"({"a": 1}{"a":2}
                     [{"a": 3} , {"x": {"a": 9}, "a": 4}] {"a":5})") == "a=1 ;a=2 ;a=3 ;a=4 ;a=5 ;");
  CHECK(walk(dir, R"({"x": [{"a": 1}], "y": "\"}", "b": {"a": 0, "c": "in", "z": [[]]}, "d": [{"e": 1}, 7, {"f": {}},
                      {"e": [ 2, -3 ,4]}, []], "a": null, "b2": {"c": 1}})") == "b.c=in d[].e=1 d[].e=2,-3,4, a=- ;");
  CHECK(walk(dir, R"({"b": 5, "d": {"e": 1}, "a": {"x": [1, {"y": "]"}]}})") == "a=- ;");
  CHECK(walk(dir, R"({"a": []})") == "a= ;");
}

TEST_CASE("strings are what their escapes say", "[import][json]") {
  const TempDir dir;
  CHECK(walk(dir, R"({"\u0061": "\"\\\/\n\u00e9\u20AC\ud83d\ude00\ud83d\u0041x\udc00"})") ==
        "a=\"\\/\n\u00e9\u20ac\U0001f600\ufffd"
        "x\ufffd ;");
  CHECK(walk(dir, "{\"a\": \"\u00e9\"}") == "a=\u00e9 ;");
}

TEST_CASE("a text that is no JSON names line and byte", "[import][json]") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"7", "line 1, byte 0: expected an object or a list of objects, found '7'"},
      {"[7]", "line 1, byte 1: expected an object, found '7'"},
      {"[{}", "line 1, byte 3: the text ends within a value"},
      {"[{} {}]", "line 1, byte 4: expected ',', found '{'"},
      {"{\n\n7", "line 3, byte 3: expected a key, found '7'"},
      {R"({"a" 1})", "line 1, byte 5: expected ':', found '1'"},
      {R"({"a": ?})", "line 1, byte 6: expected a value, found '?'"},
      {R"({"a": -1})", "line 1, byte 6: a is -1, expected a whole number from 0"},
      {R"({"a": 1.5})", "line 1, byte 6: a is 1.5, expected a whole number from 0"},
      {R"({"a": 99999999999999999999})", "line 1, byte 6: a is 99999999999999999999, expected a whole number from 0"},
      {R"({"a": 1 "b": 2})", "line 1, byte 8: expected ',', found '\"'"},
      {R"({"a": [1 2]})", "line 1, byte 9: expected ',', found '2'"},
      {R"({"a": [1,]})", "line 1, byte 9: expected a whole number below 2147483648, found ']'"},
      {R"({"a": [1.0]})", "line 1, byte 8: expected a whole number below 2147483648, found '.'"},
      {R"({"a": [2147483648]})", "line 1, byte 16: expected a whole number below 2147483648, found '8'"},
      {R"({"a": [1)", "line 1, byte 8: the text ends within a value"},
      {R"({"a": "abc)", "line 1, byte 10: the text ends within a, which begins at byte 6"},
      {R"({"x": "abc)", "line 1, byte 10: the text ends within a string, which begins at byte 6"},
      {"{\"a\": \"\x01\"}", "line 1, byte 7: expected a string without control characters, found '\\x01'"},
      {R"({"a": "\q"})", "line 1, byte 8: expected an escape that JSON has, found 'q'"},
      {R"({"a": "\u12g4"})", "line 1, byte 11: expected four hexadecimal digits, found 'g'"},
      {R"({"x": {"y": [}]})", "line 1, byte 13: expected ']', found '}'"},
      {R"({"x": )" + std::string(300, '['), "line 1, byte 262: is nested deeper than 256"},
  }));
  CAPTURE(text);
  CHECK(walk_error(text) == "j.json: " + message);
}

TEST_CASE("values longer than the buffer come in pieces", "[import][json]") {
  const TempDir dir;
  std::string value;
  std::string escaped;
  std::mt19937 random(7);
  while (value.size() < (std::size_t{3} << 18U)) {
    const std::string run(random() % 3000, static_cast<char>('a' + random() % 26));
    value += run + "\n\"";
    escaped += run + R"(\n\")";
  }
  std::string numbers = "1";
  for (int i = 0; i < 200000; ++i) {
    numbers += ", " + std::to_string(i);
  }
  write_file(dir / "j.json", fmt::format(R"({{"x": "{0}", "a": "{0}", "b": {{"c": [{1}]}}}})", escaped, numbers));
  JsonFields json(dir / "j.json", fields);
  REQUIRE(json.next() == Event::field);
  CHECK((json.text(value.size()) == value));
  REQUIRE(json.next() == Event::field);
  std::vector<std::int64_t> found;
  json.integers(found);
  REQUIRE(found.size() == 200001);
  CHECK(found.back() == 199999);
  REQUIRE(json.next() == Event::end_of_document);
  CHECK(json.next() == Event::end);
}

TEST_CASE("what nlohmann/json reads is read alike", "[import][json]") {
  // Random documents: the fields that a walk finds are those that the other library's tree has.
  const TempDir dir;
  std::mt19937 random(11);
  const std::function<nlohmann::json(int)> make = [&](int depth) -> nlohmann::json {
    switch (random() % (depth > 3 ? 4 : 6)) {
      case 0:
        return random() % 100000;
      case 1:
        return std::string(random() % 20, "ab\"\\\n\t/{]"[random() % 9]);
      case 2:
        return nullptr;
      case 3:
        return random() % 2 == 0;
      case 4: {
        nlohmann::json list = nlohmann::json::array();
        for (auto i = random() % 4; i > 0; --i) {
          list.push_back(make(depth + 1));
        }
        return list;
      }
      default: {
        nlohmann::json object = nlohmann::json::object();
        for (auto i = random() % 5; i > 0; --i) {
          object[std::string(1, "abcdex"[random() % 6])] = make(depth + 1);
        }
        return object;
      }
    }
  };
  for (int i = 0; i < 500; ++i) {
    nlohmann::json document = nlohmann::json::object();
    for (const char* key : {"a", "b", "d", "x"}) {
      document[key] = make(0);
    }
    std::uint64_t expected = 1;  // a
    expected += document["b"].is_object() ? document["b"].count("c") : 0;
    if (document["d"].is_array()) {
      for (const nlohmann::json& item : document["d"]) {
        expected += item.is_object() ? item.count("e") : 0;
      }
    }
    write_file(dir / "j.json", document.dump(i % 3 == 0 ? 2 : -1));
    CAPTURE(document.dump());
    JsonFields json(dir / "j.json", fields);
    std::uint64_t found = 0;
    for (Event event = json.next(); event != Event::end_of_document; event = json.next()) {
      REQUIRE(event == Event::field);
      ++found;
      if (json.field() == 0 && json.kind() == JsonKind::string) {
        CHECK(json.text(100) == document["a"].get<std::string>());
      }
    }
    CHECK(found == expected);
    CHECK(json.next() == Event::end);
  }
}
