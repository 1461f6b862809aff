// ids/s of the trace codec: decoding by itself and as a whole trace is read, and writing.

#include "fixture.hpp"

#include "dsasim/trace/reader.hpp"
#include "dsasim/trace/writer.hpp"
#include "trace/lane.hpp"
#include "trace/lane_frame.hpp"

#include <benchmark/benchmark.h>

#include <filesystem>
#include <vector>

namespace dsasim::bench {
namespace {

std::vector<std::vector<EntryId>> selections_of_layer(std::uint32_t layer) {
  const TraceReader trace(trace_path);
  RequestCursor cursor(trace, 0, 0, trace.extent(0).steps);
  std::vector<std::vector<EntryId>> selections;
  while (cursor.next()) {
    const SelectionView selection = cursor.selection(layer);
    selections.emplace_back(selection.ids, selection.ids + selection.size);
  }
  return selections;
}

/// One lane, from its streams: no file, no zstd.
void decode_lane(benchmark::State& state) {
  const auto set = static_cast<trace::InstructionSet>(state.range(0));
  if (!trace::supported(set)) {
    state.SkipWithError("this machine has not these instructions");
    return;
  }
  const auto selections = selections_of_layer(8);
  trace::LaneEncoder encoder(/*has_scores=*/false);
  std::uint64_t ids = 0;
  for (const auto& selection : selections) {
    encoder.append(selection, {});
    ids += selection.size();
  }
  const trace::LaneFrame frame = trace::pack_lane(encoder.take());
  const std::uint64_t id_limit = TraceReader(trace_path).extent(0).id_limit;
  std::vector<EntryId> out(id_limit + trace::decode_slack);
  trace::LaneUnpacker unpacker;
  const auto streams = unpacker.unpack(frame.compressed, frame.plain_bytes, ~0U, trace::stream_slack(id_limit), "lane");
  trace::LaneDecoder decoder(/*has_scores=*/false, set);
  for (auto _ : state) {
    decoder.begin(streams, static_cast<std::uint32_t>(selections.size()), id_limit, "lane");
    for (std::size_t step = 0; step < selections.size(); ++step) {
      decoder.next(out.data(), nullptr);
    }
    benchmark::DoNotOptimize(out.data());
  }
  count_items(state, ids);
}
BENCHMARK(decode_lane)
    ->ArgName("instruction_set")
    ->Arg(static_cast<int>(trace::InstructionSet::portable))
    ->Arg(static_cast<int>(trace::InstructionSet::bmi2))
    ->Arg(static_cast<int>(trace::InstructionSet::avx512))
    ->Unit(benchmark::kMillisecond);

/// A whole trace: file, checksums, zstd, lanes.
void decode(benchmark::State& state) {
  const TraceReader trace(trace_path);
  for (auto _ : state) {
    RequestCursor cursor(trace, 0, 0, trace.extent(0).steps);
    while (cursor.next()) {
      benchmark::DoNotOptimize(cursor.selection(0).ids);
    }
  }
  count_items(state, trace.accesses());
  state.counters["bits_per_id"] = 8.0 * static_cast<double>(trace.file_bytes()) / static_cast<double>(trace.accesses());
}
BENCHMARK(decode)->Unit(benchmark::kMillisecond);

void write(benchmark::State& state) {
  const TraceReader trace(trace_path);
  const auto path = std::filesystem::temp_directory_path() / "dsasim_bench.dsat";
  for (auto _ : state) {
    TraceWriter writer(path, trace.header());
    RequestCursor cursor(trace, 0, 0, trace.extent(0).steps);
    while (cursor.next()) {
      for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
        const SelectionView selection = cursor.selection(layer);
        writer.append(0, {selection.ids, selection.size});
      }
    }
    writer.finish();
  }
  std::filesystem::remove(path);
  count_items(state, trace.accesses());
}
BENCHMARK(write)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dsasim::bench
