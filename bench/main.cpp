// Benchmarks are in the files beside this one, named after the stage of the library that they measure.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
