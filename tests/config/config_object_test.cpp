#include "catch.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"

namespace dsasim {
namespace {

ConfigObject parse(const char* text) {
  return ConfigObject::parse("x.json", text);
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("Values of a configuration come with their bounds, and errors say where they are") {
  ConfigObject config = parse(R"({"ns": 1.5, "banks": 4, "open": true, "name": "a", "in": {"deep": [1, 2]}})");
  CHECK(config.number("ns", 0, 2) == 1.5);
  CHECK(config.integer("banks", 4, 4) == 4);
  CHECK(config.flag("open"));
  CHECK(config.text("name") == "a");
  ConfigObject in = config.object("in");
  CHECK(in.integers("deep", 0, 2) == std::vector<std::uint64_t>{1, 2});
  config.refuse_unread();
  CHECK(error_of([&] { config.number("ns", 0, 1); }) == "x.json: /ns: expected a number from 0 to 1, found 1.5");
  CHECK(error_of([&] { config.integer("ns", 0, 9); }) == "x.json: /ns: expected an integer from 0 to 9, found 1.5");
  CHECK(error_of([&] { config.integer("none", 0, 9); }) == "x.json: expected a key \"none\", found none");
  CHECK(error_of([&] { in.integers("deep", 0, 1); }) == "x.json: /in/deep: expected an integer from 0 to 1, found 2");
}

TEST_CASE("What nobody asked of a configuration is refused, and so are equal keys") {
  ConfigObject config = parse(R"({"ns": 1, "n": 2})");
  config.number("ns", 0, 2);
  CHECK(error_of([&] { config.refuse_unread(); }) == "x.json: unknown key \"n\" (did you mean \"ns\"?); known: ns");
  CHECK(error_of([&] { parse(R"({"a": 1, "a": 2})"); }) == "x.json: duplicate key \"a\"");
  CHECK(error_of([&] { parse("[]"); }) == "x.json: expected an object, found array");
}

TEST_CASE("What is no JSON is quoted in a line that a terminal can take") {
  CHECK_THAT(error_of([] { parse("\x89\x1b[2J"); }),
             Catch::Matchers::StartsWith("x.json: parse error at line 1, column 1") &&
                 Catch::Matchers::EndsWith("last read: '\\x89'"));
  const std::string long_word = "{" + std::string(100'000, 'a');
  CHECK(error_of([&] { parse(long_word.c_str()); }).size() < 400);
}

TEST_CASE("An option replaces a value that a configuration has, and adds none") {
  ConfigObject config = parse(R"({"ns": 1, "mapping": "a"})");
  config.set("`memory`", "ns", "2.5");
  config.set("`memory`", "mapping", "row bank");
  CHECK(config.number("ns", 0, 9) == 2.5);
  CHECK(config.text("mapping") == "row bank");
  CHECK(error_of([&] { config.set("`memory`", "s", "1"); }) ==
        "`memory`: x.json has no parameter \"s\" (did you mean \"ns\"?); known: ns, mapping");
}

TEST_CASE("Configurations that are part of the library are found by name") {
  CHECK(named_config("`gpu`", "gpus", "h200").text("description") == "NVIDIA H200 SXM");
  CHECK_THAT(error_of([] { named_config("`gpu`", "gpus", "h201"); }),
             Catch::Matchers::StartsWith("`gpu`: unknown name \"h201\" (did you mean \"h200\"?); known: "));
}

TEST_CASE("Reports call a configuration by its name, or by that of its file") {
  CHECK(config_title("deepseek-v3.2") == "deepseek-v3.2");
  CHECK(config_title("folder.json/my-gpu.json") == "my-gpu");
  CHECK(config_title("folder/deepseek-v3.2") == "deepseek-v3.2");
  CHECK(config_title(".json").empty());
}

}  // namespace dsasim
