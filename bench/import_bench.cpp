// Bytes/s of text: captures read by themselves, and as a trace is made of them.

#include "fixture.hpp"

#include "dsasim/import/import.hpp"
#include "dsasim/trace/reader.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace dsasim::bench {
namespace {

std::string base64(const std::vector<std::int32_t>& ids) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  for (const std::int32_t id : ids) {
    for (const unsigned shift : {0U, 8U, 16U, 24U}) {
      bytes += static_cast<char>((static_cast<std::uint32_t>(id) >> shift) & 0xffU);
    }
  }
  const std::size_t padding = (3 - bytes.size() % 3) % 3;
  bytes.append(padding, '\0');
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(bytes[at + i])}; };
    const std::uint32_t bits = (byte(0) << 16U) | (byte(1) << 8U) | byte(2);
    for (const unsigned shift : {18U, 12U, 6U, 0U}) {
      text += alphabet[(bits >> shift) & 63U];
    }
  }
  return text.replace(text.size() - padding, padding, padding, '=');
}

/// The selections of the trace, each in random order, as kernels emit them.
template <class F>
void for_each_selection(F&& f) {
  const TraceReader trace(trace_path);
  std::mt19937 random(1);
  RequestCursor cursor(trace, 0, 0, trace.extent(0).steps);
  for (std::uint64_t step = 0; cursor.next(); ++step) {
    for (std::uint32_t layer = 0; layer < trace.layer_count(); ++layer) {
      const SelectionView selection = cursor.selection(layer);
      std::vector<std::int32_t> ids;
      for (std::uint32_t i = 0; i < selection.size; ++i) {
        ids.push_back(static_cast<std::int32_t>(value(selection.ids[i])));
      }
      std::shuffle(ids.begin(), ids.end(), random);
      f(step, layer, ids);
    }
  }
}

/// A response without the rows of its prompt.
std::string sglang_text() {
  const TraceReader trace(trace_path);
  std::vector<std::int32_t> all;
  for_each_selection([&](std::uint64_t /*step*/, std::uint32_t /*layer*/, const std::vector<std::int32_t>& ids) {
    all.insert(all.end(), ids.begin(), ids.end());
  });
  return fmt::format(
      R"({{"text": "", "meta_info": {{"indexer_topk": "{}", "prompt_tokens": {}, "completion_tokens": {}, )"
      R"("indexer_topk_num_layers": {}}}}})",
      base64(all), trace.header().requests[0].prompt_tokens, trace.extent(0).steps + 1, trace.layer_count());
}

std::string jsonl_text() {
  const TraceReader trace(trace_path);
  std::string text;
  for_each_selection([&](std::uint64_t step, std::uint32_t layer, const std::vector<std::int32_t>& ids) {
    text += fmt::format(
        R"({{"request_id": "0", "layer_id": {}, "step_idx": {}, "seq_len_current": {}, "selected_token_pos": [{}]}})"
        "\n",
        layer, step, trace.header().requests[0].prompt_tokens + step + 1, fmt::join(ids, ", "));
  });
  return text;
}

/// A file of this text, gone at the end.
class Capture {
 public:
  explicit Capture(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / "dsasim_bench_capture"), bytes_(text.size()) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~Capture() { std::filesystem::remove(path_); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::int64_t bytes() const { return static_cast<std::int64_t>(bytes_); }

 private:
  std::filesystem::path path_;
  std::uint64_t bytes_;
};

/// The top-k of the trace, which a response does not tell.
ImportOptions options() {
  ImportOptions out;
  out.top_k = TraceReader(trace_path).longest_selection();
  return out;
}

const ImportFormat& format_named(std::string_view name) {
  for (const ImportFormat& format : import_formats()) {
    if (format.name == name) {
      return format;
    }
  }
  throw std::logic_error("no such format");
}

void read_capture(benchmark::State& state, std::string_view format, const std::string& text) {
  const Capture capture(text);
  for (auto _ : state) {
    const auto file = format_named(format).open(capture.path(), options());
    const auto source = file->read();
    CaptureStep step;
    for (std::uint64_t i = 0; i < file->requests().front().steps; ++i) {
      source->read_step(step);
      benchmark::DoNotOptimize(step.ids.data());
    }
  }
  state.SetBytesProcessed(state.iterations() * capture.bytes());
}

/// The capture is looked at, read for a proof of slots, and read again.
void import_capture(benchmark::State& state, const std::string& text) {
  const Capture capture(text);
  const auto output = std::filesystem::temp_directory_path() / "dsasim_bench.dsat";
  const std::vector<std::filesystem::path> inputs{capture.path()};
  for (auto _ : state) {
    import_captures(inputs, output, options());
  }
  std::filesystem::remove(output);
  state.SetBytesProcessed(state.iterations() * capture.bytes());
}

void read_sglang(benchmark::State& state) {
  read_capture(state, "sglang", sglang_text());
}
BENCHMARK(read_sglang)->Unit(benchmark::kMillisecond);

void read_jsonl(benchmark::State& state) {
  read_capture(state, "jsonl", jsonl_text());
}
BENCHMARK(read_jsonl)->Unit(benchmark::kMillisecond);

void import_sglang(benchmark::State& state) {
  import_capture(state, sglang_text());
}
BENCHMARK(import_sglang)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dsasim::bench
