// The entries that left, against a list of all entries that is gone through at every step.

#include "generate/departed.hpp"
#include "catch.hpp"

#include <algorithm>
#include <random>
#include <vector>

using namespace dsasim;
using namespace dsasim::synthesis;

namespace {

/// Ids by cell, ascending.
using ByCell = std::vector<std::vector<std::uint32_t>>;

ByCell slow(const std::vector<EntryState>& states, std::uint64_t step) {
  ByCell ids(cells);
  for (std::uint32_t id = 0; id < states.size(); ++id) {
    if (states[id].touched() && !states[id].selected()) {
      ids[cell_of(states[id], step)].push_back(id);
    }
  }
  return ids;
}

ByCell fast(const Departed& departed, const std::vector<EntryState>& states) {
  ByCell ids(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    for (const Departed::Entry& entry : departed.entries(cell)) {
      if (states[entry.id].out_since(entry.since)) {
        ids[cell].push_back(entry.id);
      }
    }
    std::ranges::sort(ids[cell]);
  }
  return ids;
}

}  // namespace

TEST_CASE("Those that left are found by class and gap, each once, until they are back", "[generate]") {
  std::mt19937 random(1);
  std::vector<EntryState> states(300);
  Departed departed;
  // Past the longest bucket of gaps, and past the ring that counts by step.
  for (std::uint64_t step = 0; step < 2600; ++step) {
    departed.begin_step(step, states);
    if (step % 7 == 0) {
      const ByCell wanted = slow(states, step);
      REQUIRE(fast(departed, states) == wanted);
      for (std::size_t cell = 0; cell < cells; ++cell) {
        REQUIRE(departed.count(cell) == wanted[cell].size());
      }
    }
    for (std::uint32_t id = 0; id < states.size(); ++id) {
      // The further on, the rarer: some are away for long.
      if (random() % (1 + id * id / 20) != 0) {
        continue;
      }
      EntryState& state = states[id];
      if (state.selected()) {
        state.leave(step);
        departed.add(id, state);
      } else {
        if (state.touched()) {
          departed.remove(state, step);
        }
        state.enter(step, id % 3 == 0);
      }
    }
  }
}
