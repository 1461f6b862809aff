#include "catch.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/gpu.hpp"
#include "dsasim/step/expert_spread.hpp"
#include "dsasim/step/kernel_table.hpp"
#include "step/kernels/shapes.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace dsasim {
namespace {

KernelTable table_of(const std::string& classes, const Gpu& gpu = load_gpu("h200")) {
  return KernelTable::read(ConfigObject::parse("kernels.json", R"({"source": "a test", "classes": {)" + classes + "}}"),
                           gpu);
}

std::string refusal_of(const std::string& classes) {
  try {
    table_of(classes);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

// 32 tiles of 64 rows a request, and 132 parts with 64 heads: each part may take payload - 5 tiles.
TEST_CASE("FlashMLA shares tiles out as its scheduler does") {
  // One request: ceil(37 / 132) + 5 = 6: a tile for each of 32 parts, combined from 32.
  const FlashMlaSchedule one = flash_mla_schedule(1, 64, 2048, 132);
  CHECK(one.blocks == 1);
  CHECK(one.pieces == 1);
  CHECK(one.most_splits == 32);
  CHECK(one.partial_outputs == 32);
  CHECK(one.share == Approx(32.0 / 132));
  // 128 requests: ceil(128 x 37 / 132) + 5 = 41 is room for one request, and not for a tile of another.
  const FlashMlaSchedule full = flash_mla_schedule(128, 64, 2048, 132);
  CHECK(full.blocks == 32);
  CHECK(full.pieces == 1);
  CHECK(full.most_splits == 0);
  CHECK(full.partial_outputs == 0);
  CHECK(full.share == Approx(128.0 / 132));
  // 192 requests: ceil(192 x 37 / 132) + 5 = 59: a request (37), and 17 tiles of the next.
  const FlashMlaSchedule two = flash_mla_schedule(192, 64, 2048, 132);
  CHECK(two.blocks == 49);
  CHECK(two.pieces == 2);
  // 128 heads take two multiprocessors: 66 parts, and 64 requests fit.
  CHECK(flash_mla_schedule(64, 128, 2048, 132).blocks == 32);
}

TEST_CASE("Every tile of every request is scheduled once") {
  for (const std::uint32_t heads : {64U, 128U}) {
    for (std::uint64_t batch = 1; batch <= 300; ++batch) {
      for (const std::uint64_t rows : {64U, 500U, 2048U}) {
        const FlashMlaSchedule plan = flash_mla_schedule(batch, heads, rows, 132);
        const double parts = plan.share * 132 * 64 / heads;
        const double tiles = static_cast<double>(batch * ((rows + 63) / 64));
        INFO("heads " << heads << ", batch " << batch << ", rows " << rows);
        CHECK(static_cast<double>(plan.blocks) * parts >= tiles - 0.5);  // nobody has more than the fullest
        CHECK(plan.share <= 1);
        CHECK(plan.partial_outputs >= plan.most_splits);
      }
    }
  }
}

TEST_CASE("Experts that a batch touches") {
  CHECK(experts_touched(ExpertSpread::balanced, 256, 8, 1) == 8);
  CHECK(experts_touched(ExpertSpread::balanced, 256, 8, 20) == 160);
  CHECK(experts_touched(ExpertSpread::balanced, 256, 8, 100) == 256);
  CHECK(experts_touched_on_fullest(ExpertSpread::balanced, 256, 8, 16, 8) == 16);
  // What one token names is the sum of the experts' chances.
  CHECK(experts_touched(ExpertSpread::power_law, 256, 8, 1) == Approx(8).epsilon(0.001));
  double before = 0;
  for (std::uint64_t tokens = 1; tokens < 400; tokens += 7) {
    const double touched = experts_touched(ExpertSpread::power_law, 256, 8, tokens);
    CHECK(touched > before);
    CHECK(touched < 256);
    for (const std::uint64_t gpus : {2U, 4U, 8U}) {
      const double fullest = experts_touched_on_fullest(ExpertSpread::power_law, 256, 8, tokens, gpus);
      CHECK(fullest >= std::min(touched / static_cast<double>(gpus), 1.0));
      CHECK(fullest <= 256.0 / static_cast<double>(gpus));
    }
    before = touched;
  }
}

TEST_CASE("A kernel's time is the sum of its terms") {
  const Gpu gpu = load_gpu("h200");
  const KernelTable table = table_of(
      R"("gemm_fp8": {"source": "x", "start_ns": 3000, "wave_k_input_ns": 1000, "weight_mb_ns": 200},
         "all_reduce_8": {"source": "x", "start_ns": 3000, "one_shot_mb_ns": 40000, "two_shot_ns": 2000, "two_shot_mb_ns": 10000},
         "topk": {"source": "x", "start_ns": 5000, "near_k_score_ns": 500, "far_k_score_ns": 300, "mega_score_ns": 2000})");
  // 16,896 outputs are 132 tiles of 128: one wave over 132 multiprocessors. 2,000 inputs, 33.792 MB.
  CHECK(table.ns(gemm({.tokens = 64, .inputs = 2000, .outputs = 16896, .type = Arithmetic::fp8}, gpu)) ==
        Approx(3000 + 2 * 1000 + 33.792 * 200));
  CHECK(table.ns(gemm({.tokens = 65, .inputs = 2000, .outputs = 16896, .type = Arithmetic::fp8}, gpu)) ==
        Approx(3000 + 2 * 2 * 1000 + 33.792 * 200));
  CHECK(table.ns(all_reduce(8, 100000)) == Approx(3000 + 0.1 * 40000));
  CHECK(table.ns(all_reduce(8, 1000000)) == Approx(3000 + 2000 + 10000));
  // Nothing to select up to the top-k; 49,152 scores are near.
  CHECK(table.ns(select_top_k(4 * 2048, 2048, 2048)) == 0);
  CHECK(table.ns(select_top_k(4 * 50000, 50000, 2048)) == Approx(5000 + 49.152 * 500 + 0.848 * 300 + 0.2 * 2000));
}

TEST_CASE("A roofline takes the longer of bytes and flops, and nothing for starting") {
  const Gpu gpu = load_gpu("h200");
  const KernelTable roofline = KernelTable::roofline(gpu);
  CHECK(roofline.lower_bound());
  // 4.8 MB of keys at 4,800 GB/s; few flops.
  CHECK(roofline.ns(indexer_scan(36364, 64, 128, 132)) == Approx(36364 * 132 / 4800.0));
  CHECK(roofline.ns(all_reduce(8, 1e6)) == 0);
  // 1,979 TFLOP/s: 2 x 4096 x 8192 x 8192.
  CHECK(roofline.ns(gemm({.tokens = 4096, .inputs = 8192, .outputs = 8192, .type = Arithmetic::fp8}, gpu)) ==
        Approx(2.0 * 4096 * 8192 * 8192 / 1979e3));
}

TEST_CASE("What a table of kernels must be like") {
  CHECK(refusal_of(R"("gemm_fp8": {"source": "x", "start_ns": -1})") ==
        "kernels.json: /classes/gemm_fp8/start_ns: expected a number from 0 to 1000000000, found -1");
  CHECK(refusal_of(R"("gemm_fp8": {"source": "x", "launch_ns": 1})").find("launch_ns") != std::string::npos);
  CHECK(refusal_of(R"("gemm_fp4": {"source": "x"})").find("gemm_fp4") != std::string::npos);
  const auto message_of = [](const auto& action) {
    try {
      action();
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  CHECK(message_of([] { table_of("").ns(all_reduce(8, 1)); }) == "`kernels`:  has no times of the class all_reduce_8");
  CHECK(message_of([] {
          KernelTable::load("mi300x", load_gpu("mi300x"));
        }).find("no kernels were measured on mi300x; known: ") != std::string::npos);
}

TEST_CASE("Every measured GPU has the kernels of a step, and says where they are from") {
  for (const std::string_view name : config_names("kernels")) {
    const KernelTable table = KernelTable::load(std::string(name), load_gpu(std::string(name)));
    CHECK_FALSE(table.lower_bound());
    for (const char* const needed :
         {"gemm_fp8", "gemm_bf16", "experts", "indexer", "topk", "attention_rest_kv_fp8", "attention_rest_kv_bf16",
          "indexer_rest_kv_fp8", "indexer_rest_kv_bf16", "sparse_attention_bf16", "all_reduce_4", "all_gather_4",
          "reduce_scatter_4", "small"}) {
      INFO(name << " " << needed);
      REQUIRE(table.has(needed));
      CHECK_FALSE(table.fitted(needed)->source.empty());
    }
  }
}

// FlashMLA 9241ae3 on one H200, top-k 2,048, with 64 MiB of weights streamed before each launch: what a launch gets
// longer by when 37 MiB of the L2 are set aside and hold nothing it reads, and shorter when they hold all of its rows.
TEST_CASE("A set-aside costs and gains what was measured on an H200") {
  struct Row {
    std::uint32_t heads;
    std::uint64_t batch;
    double cost_us;
    double gain_us;
  };
  const Gpu gpu = load_gpu("h200");
  const KernelTable table = KernelTable::load("h200", gpu);
  const std::vector<Row> rows = {{64, 1, 0.13, 0.75},   {64, 4, 0.05, 1.16},  {64, 16, 1.30, 2.02},
                                 {128, 1, -0.07, 0.35}, {128, 4, 0.34, 0.39}, {128, 16, 3.18, 0.38}};
  for (const Row& row : rows) {
    const auto us = [&](double cold, bool set_aside) {
      return table.ns(latent_decode({.batch = row.batch,
                                     .rows = 2048,
                                     .filled = 2048,
                                     .heads = row.heads,
                                     .row_bytes = 656,
                                     .cold = cold,
                                     .set_aside = set_aside},
                                    gpu, table)) /
             1000;
    };
    INFO(row.heads << " heads, " << row.batch << " requests");
    CHECK(us(1, true) - us(1, false) == Approx(row.cost_us).margin(0.15));
    CHECK(us(1, false) - us(0, false) == Approx(row.gain_us).margin(0.5));
    // Net, whether a perfect reservation is worth its set-aside.
    const double net_us = us(1, false) - us(0, true);
    CHECK(std::abs(net_us - (row.gain_us - row.cost_us)) < 0.5);
    CHECK((row.heads == 128 && row.batch == 16) == (net_us < -0.5));
    // A half of the rows gains little of it.
    CHECK(us(1, false) - us(0.5, false) < 0.4 * (us(1, false) - us(0, false)));
  }
}

}  // namespace dsasim
