// Thousands of random batches and configurations against the plain reference: replays, curves, allocations and sweeps.
//
// DSASIM_CASES says how many, DSASIM_SEED which is the first: case n of a run is the first of one with its seed. A case
// that fails is made smaller as long as it fails in the same way, and what is left is printed with the command that
// repeats it; its trace stays in a file.

#include "catch.hpp"
#include "differential/differences.hpp"
#include "import/captures.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <string>

using namespace dsasim;
using namespace dsasim::test;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::stoull(text);
}

/// Sweeps wait for the disk at each point: where there is a folder in memory, it is used.
std::filesystem::path fast_folder() {
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path();
}

struct Check {
  const char* name;
  std::string (*difference)(const TraceReader& trace, const RandomCase& drawn, const std::filesystem::path& folder);
  std::string (*command)(const RandomCase& drawn, const std::filesystem::path& path);
};

template <std::string (*difference)(const TraceReader&, const RandomCase&)>
std::string without_folder(const TraceReader& trace, const RandomCase& drawn, const std::filesystem::path& /*folder*/) {
  return difference(trace, drawn);
}

constexpr std::array checks = {
    Check{"replay", without_folder<replay_difference>, replay_command},
    Check{"several replays in one pass", without_folder<joint_replay_difference>, replay_command},
    Check{"curve", without_folder<curve_difference>, curve_command},
    Check{"allocate", without_folder<allocate_difference>, allocate_command},
    Check{"sweep", sweep_difference, replay_command},
};

/// A case that fails, and how.
struct Failure {
  RandomCase drawn;
  std::string difference;
};

class Differential {
 public:
  /// Empty, or what a person needs to repeat what went wrong.
  std::string run(std::uint64_t seed) const {
    const RandomCase drawn = random_case(seed);
    for (const Check& check : checks) {
      if (const std::string found = difference(check, drawn); !found.empty()) {
        return explained(check, smallest(check, {.drawn = drawn, .difference = found}));
      }
    }
    return "";
  }

 private:
  std::string difference(const Check& check, const RandomCase& drawn) const {
    const auto path = folder_ / "t.dsat";
    write_trace(path, drawn.trace, drawn.chunk_steps);
    return check.difference(TraceReader(path), drawn, folder_.path());
  }

  /// Takes the first smaller case that fails, until there is none, or it has taken long enough.
  Failure smallest(const Check& check, Failure failing) const {
    int tries = 2000;
    for (bool smaller = true; smaller;) {
      smaller = false;
      for (const RandomCase& candidate : simpler(failing.drawn)) {
        if (--tries < 0) {
          return failing;
        }
        if (std::string found = difference(check, candidate); !found.empty()) {
          failing = {.drawn = candidate, .difference = std::move(found)};
          smaller = true;
          break;
        }
      }
    }
    return failing;
  }

  static std::string explained(const Check& check, const Failure& failure) {
    const RandomCase& drawn = failure.drawn;
    const auto path = std::filesystem::temp_directory_path() / fmt::format("dsasim-seed-{}.dsat", drawn.seed);
    write_trace(path, drawn.trace, drawn.chunk_steps);
    return fmt::format("seed {} (DSASIM_SEED={} DSASIM_CASES=1), {}: {}\n{}\n{}\n", drawn.seed, drawn.seed, check.name,
                       failure.difference, check.command(drawn, path), trace_text(drawn.trace));
  }

  captures::TempDir folder_{fast_folder()};
};

}  // namespace

TEST_CASE("Random cases agree with the plain reference", "[differential][reference]") {
  const std::uint64_t cases = from_environment("DSASIM_CASES", 5000);
  const std::uint64_t first = from_environment("DSASIM_SEED", 1);
  const Differential differential;
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    CAPTURE(seed);
    const std::string failure = differential.run(seed);
    std::cout << failure;  // not through the test's message, which breaks the command's line
    REQUIRE(failure.empty());
  }
  std::cout << fmt::format("{} random cases, seeds {} to {}\n", cases, first, first + cases - 1);
}
