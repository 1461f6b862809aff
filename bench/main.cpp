// Benchmarks are in the files beside this one, named after the stage of the library that they measure. Run in the
// repository's root. They measure; the tests are what checks the counts.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
