#include "../add_policy/lifo.hpp"
#include "all_headers.hpp"

#include <array>
#include <vector>

using namespace dsasim;

namespace {

/// A policy of the program's own is one of those that can be named.
bool has_own_policy() {
  register_policy<Lifo>();
  const auto cache = make_cache(parse_policy("lifo"), 2, 8, 0);
  std::vector<EntryId> missed;
  for (const int round : {0, 1}) {
    constexpr std::array ids = {EntryId{3}, EntryId{4}, EntryId{5}};
    if (cache->select({}, ids, missed).hits != (round == 0 ? 0U : 1U)) {  // of 3, the first that came in
      return false;
    }
  }
  try {
    register_policy<Lifo>();
  } catch (const ConfigError&) {
    return true;  // the name is taken
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  return argc == 2 && version() == argv[1] && has_own_policy() ? 0 : 1;
}
