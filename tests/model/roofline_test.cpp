#include "catch.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/roofline.hpp"
#include "model/tiny_model.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace dsasim {
namespace {

Model tiny() {
  return read_model(ConfigObject::parse("tiny.json", tiny_model));
}

/// 10,000 bytes a second, 10,000 flops in bf16 and 20,000 in fp8, 3,000 bytes.
Gpu slow_gpu() {
  Gpu gpu;
  gpu.memory_bytes = 3000;
  gpu.memory_gb_s = 1e-5;
  gpu.bf16_tflop_s = 1e-8;
  gpu.fp8_tflop_s = 2e-8;
  return gpu;
}

RooflineConfig small_config() {
  return {.context_tokens = 20, .batch = 2, .rate = 10};
}

bool near(double found, double wanted) {
  return std::abs(found - wanted) <= 1e-12 * std::abs(wanted);
}

std::string refusal_of(const RooflineConfig& config, const std::string& model = "llama-3.1-8b") {
  try {
    roofline(load_model(model), load_gpu("h100"), config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("A roofline of a tiny model, worked out by hand") {
  const Roofline sparse = roofline(tiny(), slow_gpu(), small_config());
  // Layers 2 (160 + 96) + 256, 2 x 64 + 32, 2 x 24 + 32, head 1600; 3 of 4 experts of 16 bytes in two layers.
  CHECK(sparse.read.weights == 768 + 160 + 80 + 1600);
  CHECK(sparse.read.experts == 2 * 48);
  // Two users: 4 entries of 10, 3 of 6, 1 + 4 of 10; 10 keys of 5.
  CHECK(sparse.read.entries == 2 * (40 + 18 + 50));
  CHECK(sparse.read.keys == 2 * 50);
  CHECK(sparse.stored.weights == sparse.read.weights + 1600);
  CHECK(sparse.stored.experts == 2 * 64);
  CHECK(sparse.stored.entries == 2 * (100 + 18 + 110));
  CHECK(sparse.stored.keys == 2 * 50);
  CHECK(sparse.flops.linear == 2 * (1024 + 320 + 240 + 1600));
  CHECK(sparse.flops.attention == 2 * (4 * 64 + 3 * 32 + 5 * 64));
  CHECK(sparse.flops.indexer == 2 * 160);
  // Linear and indexer in fp8, attention in bf16.
  CHECK(near(sparse.compute_s, 6368 / 2e4 + 1344 / 1e4 + 320 / 2e4));
  CHECK(sparse.needed.bandwidth == 4);  // 3,020 bytes x 10
  CHECK(sparse.needed.compute == 5);    // 0.4688 s x 10
  CHECK(sparse.needed.capacity == 2);   // 4,892 bytes
  CHECK(sparse.gpus == 5);
  CHECK(near(sparse.bandwidth_used, 0.604));
  CHECK(near(sparse.compute_used, 0.9376));
  CHECK(near(sparse.capacity_used, 4892.0 / 15000));
  CHECK(near(sparse.rate_limit, 10 / 0.9376));
}

TEST_CASE("Without a selection the indexer neither runs nor is kept") {
  RooflineConfig config = small_config();
  config.attention = Attention::dense;
  const Roofline dense = roofline(tiny(), slow_gpu(), config);
  CHECK(dense.read.weights == 576 + 160 + 80 + 1600);
  CHECK(dense.read.entries == 2 * (100 + 18 + 110));
  CHECK(dense.read.keys + dense.stored.keys + dense.flops.indexer == 0);
  CHECK(dense.flops.linear == 2 * (832 + 320 + 240 + 1600));
  config.attention = Attention::full;
  const Roofline full = roofline(tiny(), slow_gpu(), config);
  CHECK(full.read.entries == 2 * (100 + 120 + 110));
  CHECK(full.stored.entries == full.read.entries);
}

TEST_CASE("What the configuration puts in the model's place") {
  RooflineConfig config = small_config();
  config.experts = ExpertReads::all;
  config.weight_bytes = 0.25;
  config.entry_bytes = 100;
  config.entry_flops = 1;
  config.arithmetic = Arithmetic::bf16;
  config.gpus = 2;
  const Roofline changed = roofline(tiny(), slow_gpu(), config);
  CHECK(changed.read.weights == 0.25 * (512 + 96 + 56 + 800));
  CHECK(changed.read.experts == 0.25 * 2 * 128);
  CHECK(changed.read.experts == changed.stored.experts);
  CHECK(changed.read.entries == 2 * 100 * (4 + 3 + 5));
  CHECK(changed.flops.attention == 2 * (4 + 3 + 5));
  CHECK(near(changed.compute_s, (6368 + 24 + 320) / 1e4));
  CHECK(changed.gpus == 2);
  CHECK(near(changed.compute_used, 10 * changed.compute_s / 2));
  CHECK(changed.compute_used > 1);
  CHECK(changed.rate_limit < config.rate);
}

TEST_CASE("Tensor parallelism beyond the KV heads keeps entries more than once, and keys on every GPU") {
  RooflineConfig config = small_config();
  config.tensor_parallel = 4;
  const Roofline four = roofline(tiny(), slow_gpu(), config);
  CHECK(four.read.entries == 2 * (40 * 2 + 18 * 4 + 50 * 2));
  CHECK(four.stored.entries == 2 * (100 * 2 + 18 * 4 + 110 * 2));
  CHECK(four.read.keys == 4 * 2 * 50);
  CHECK(four.flops.indexer == 4 * 2 * 160);
  CHECK(four.gpus == 8);
  config.tensor_parallel = 2;
  CHECK(roofline(tiny(), slow_gpu(), config).read.entries == 2 * (40 + 18 * 2 + 50));
}

TEST_CASE("More to do never needs fewer GPUs, and what is needed suffices") {
  const std::vector<std::function<void(RooflineConfig&)>> more = {
      [](RooflineConfig& c) { c.context_tokens *= 3; }, [](RooflineConfig& c) { c.batch *= 3; },
      [](RooflineConfig& c) { c.rate *= 3; },           [](RooflineConfig& c) { c.experts = ExpertReads::all; },
      [](RooflineConfig& c) { c.entry_bytes = 65536; }, [](RooflineConfig& c) { c.tensor_parallel = 8; }};
  for (const std::string_view name : config_names("models")) {
    for (const std::string_view gpu : config_names("gpus")) {
      INFO(name << " on " << gpu);
      const Model model = load_model(std::string(name));
      const RooflineConfig config{.context_tokens = 32768,
                                  .batch = 8,
                                  .rate = 50,
                                  .attention = model.has_indexer() ? Attention::sparse : Attention::dense};
      const Roofline base = roofline(model, load_gpu(std::string(gpu)), config);
      CHECK(std::max({base.bandwidth_used, base.compute_used, base.capacity_used}) <= 1);
      CHECK(base.rate_limit >= config.rate);
      for (const auto& change : more) {
        RooflineConfig changed = config;
        change(changed);
        CHECK(roofline(model, load_gpu(std::string(gpu)), changed).gpus >= base.gpus);
      }
    }
  }
}

TEST_CASE("A roofline is refused with the option and the reason") {
  const RooflineConfig good{.context_tokens = 1000, .batch = 1, .rate = 1};
  CHECK(refusal_of(good) == "accepted");
  const auto with = [&](const std::function<void(RooflineConfig&)>& change) {
    RooflineConfig config = good;
    change(config);
    return refusal_of(config);
  };
  CHECK(with([](auto& c) { c.context_tokens = 0; }) == "`context`: expected 1 to 1000000000, found 0");
  CHECK(with([](auto& c) { c.batch = 2'000'000'000; }) == "`batch`: expected 1 to 1000000000, found 2000000000");
  CHECK(with([](auto& c) { c.rate = 0; }) ==
        "`rate`: expected more than 0 and at most 1000000000 tokens a second, found 0");
  CHECK(with([](auto& c) { c.rate = std::nan(""); }) ==
        "`rate`: expected more than 0 and at most 1000000000 tokens a second, found nan");
  CHECK(with([](auto& c) { c.gpus = 0; }) == "`gpus`: expected 1 to 1000000000000, found 0");
  CHECK(with([](auto& c) { c.tensor_parallel = 0; }) == "`tp`: expected 1 to 1000000000000, found 0");
  CHECK(with([](auto& c) { c.weight_bytes = 0; }) == "`weight_bytes`: expected more than 0 and at most 16, found 0");
  CHECK(with([](auto& c) { c.gpus = 9, c.tensor_parallel = 8; }) == "`gpus`: expected a multiple of `tp` 8, found 9");
  CHECK(with([](auto& c) { c.rate = 1e9, c.batch = 1'000'000'000, c.context_tokens = 1'000'000'000; }) ==
        "`rate`: more than 1000000000000 GPUs would be needed");
  CHECK(refusal_of(good, "gpt-oss-120b") ==
        "`attention`: gpt-oss-120b has no indexer: expected full or dense, found sparse");
}

TEST_CASE("Table 1 of arXiv 2603.13430, as far as docs/roofline.md explains it") {
  struct Percent {
    double paper;
    double ours;    ///< as docs/roofline.md has it
    double margin;  ///< between them
  };
  struct Row {
    const char* model;
    std::uint64_t entry_bytes;
    std::uint64_t entry_flops;
    std::uint64_t gpus_needed;  ///< ours
    std::uint64_t gpus_there;   ///< the paper's
    Percent bandwidth_used;
    Percent compute_used;
  };
  // 8-bit KV, one flop for a multiply-add of attention; DeepSeek-V3.2 expands keys and values of each entry.
  const std::vector<Row> rows = {
      {"llama-3.1-70b", 2048, 16384, 7, 7, {95, 95.0, 0.5}, {1.3, 1.29, 0.05}},
      {"llama-4-maverick", 2048, 10240, 26, 26, {99, 97.6, 2}, {0.1, 0.10, 0.05}},
      {"gpt-oss-120b", 1024, 8192, 8, 8, {97, 93.8, 4}, {0.2, 0.15, 0.06}},
      {"qwen3-480b", 2048, 24576, 31, 32, {99, 95.5, 4}, {0.2, 0.21, 0.05}},
      {"deepseek-v3.2", 656, 16818176, 41, 44, {93, 92.3, 1}, {67, 60.4, 7}},
  };
  const auto agrees = [](double part, const Percent& percent, double rounding) {
    return std::abs(100 * part - percent.ours) <= rounding && std::abs(100 * part - percent.paper) < percent.margin;
  };
  for (const Row& row : rows) {
    INFO(row.model);
    RooflineConfig config{.context_tokens = 64000, .batch = 8, .rate = 100};
    config.attention = Attention::full;
    config.experts = ExpertReads::all;
    config.weight_bytes = 2;
    config.entry_bytes = row.entry_bytes;
    config.entry_flops = row.entry_flops;
    config.arithmetic = Arithmetic::fp8;
    CHECK(roofline(load_model(row.model), load_gpu("h100"), config).gpus == row.gpus_needed);
    config.gpus = row.gpus_there;
    const Roofline found = roofline(load_model(row.model), load_gpu("h100"), config);
    CHECK(agrees(found.bandwidth_used, row.bandwidth_used, 0.05));
    CHECK(agrees(found.compute_used, row.compute_used, row.compute_used.ours > 10 ? 0.05 : 0.005));
  }
}

}  // namespace dsasim
