#include "dsasim/config/named_parameters.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"

using namespace dsasim;

TEST_CASE("a name comes with parameters", "[config]") {
  using Parameters = std::vector<std::pair<std::string, std::string>>;
  CHECK(parse_named_parameters("`o`", "lru").name == "lru");
  CHECK(parse_named_parameters("`o`", "lru").parameters.empty());
  const NamedParameters found = parse_named_parameters("`o`", "a.b/c,k=v=w,l=");
  CHECK(found.name == "a.b/c");
  CHECK(found.parameters == Parameters{{"k", "v=w"}, {"l", ""}});
}

TEST_CASE("parameters that are none are refused", "[config]") {
  const auto [text, message] = GENERATE(table<std::string_view, std::string_view>({
      {"lru,", "`o`: lru: expected key=value, found \"\""},
      {"lru,k", "`o`: lru: expected key=value, found \"k\""},
      {"lru,=v", "`o`: lru: expected key=value, found \"=v\""},
      {"lru,k=1,l=2,k=3", "`o`: lru: k: given twice"},
  }));
  CHECK_THROWS_WITH(parse_named_parameters("`o`", text), std::string(message));
}
