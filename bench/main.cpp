// Benchmarks are in the files beside this one, named after the stage of the library that they measure. Run in the
// repository's root. They measure; the tests are what checks the counts.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
  try {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
      return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dsasim_bench: %s (run it in the repository's root)\n", error.what());
    return 2;
  }
}
