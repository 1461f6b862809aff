#include "dsasim/version.hpp"

#include "catch.hpp"

#include <algorithm>
#include <string>

TEST_CASE("the version has three numbers, as in project()") {
  const std::string version(dsasim::version());
  CHECK(std::count(version.begin(), version.end(), '.') == 2);
}
