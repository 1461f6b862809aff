// Joules of a token, by hand, and against the accounting of `roofline`.

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/roofline.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/report/step_report.hpp"
#include "dsasim/step/predict_step.hpp"
#include "import/captures.hpp"
#include "model/tiny_model.hpp"
#include "replay/small_traces.hpp"
#include "replay/written_trace.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <string>

using namespace dsasim;
using namespace dsasim::test;

namespace {

/// One GPU of round numbers, without a cost of its last-level cache.
Gpu round_gpu() {
  Gpu gpu = load_gpu("h200");
  gpu.energy = {.memory = EnergyCost{2, EnergyKind::measured, "a test"},
                .llc = {},
                .bf16 = EnergyCost{3, EnergyKind::published, "a test"},
                .fp8 = EnergyCost{5, EnergyKind::upper_bound, "a test"},
                .fp4 = {}};
  return gpu;
}

TokenEnergy energy_of(const std::string& model, const std::string& gpu, const StepWorkload& workload) {
  const Gpu on = load_gpu(gpu);
  return predict_energy(load_model(model), on, KernelTable::load("roofline", on), workload);
}

/// Amounts by "name from".
std::map<std::string, double> amounts(const TokenEnergy& energy) {
  std::map<std::string, double> out;
  for (const EnergyPart& part : energy.parts) {
    out[std::string(part.name) + " " + std::string(part.from)] = part.amount;
  }
  return out;
}

/// Two requests that select 2,048 rows in each of three layers, and 100 others at the second step.
PlainTrace selecting() {
  PlainTrace trace;
  trace.header.layers.resize(3);
  for (std::uint32_t request = 0; request < 2; ++request) {
    trace.header.requests.push_back({.prompt_tokens = 5000, .start_step = 0});
    auto& steps = trace.requests.emplace_back();
    for (std::uint32_t step = 0; step < 2; ++step) {
      PlainSelection ids;
      for (std::uint32_t i = 0; i < 2048; ++i) {
        ids.push_back(i + step * 100);
      }
      steps.emplace_back(3, ids);
    }
  }
  return trace;
}

}  // namespace

TEST_CASE("Joules of a token of three layers, by hand", "[energy]") {
  Model model = read_model(ConfigObject::parse("tiny", tiny_model));
  model.name = "tiny";
  const Gpu gpu = round_gpu();
  const TokenEnergy energy =
      predict_energy(model, gpu, KernelTable::load("roofline", gpu), {.batch = 2, .context_tokens = 8});
  // Of a step of two tokens, by layer, and the head:
  //   weights   (160 + 96) * 2 + 256 | 64 * 2 + 32 | 24 * 2 + 32 | 800 * 2                 = 2,608 bytes
  //   experts   4 (1 - (1 - 2/4)^2) = 3 of 32 weights of half a byte, in two layers         =    96 bytes
  //   entries   2 * (4 * 10 | 3 * 6 | (1 + 4) * 10)                                         =   216 bytes
  //   keys      2 * 4 * 5, in the layer that owns an indexer                                =    40 bytes
  //   linear    2 * 2 * (512 | 64 + 32 + 64 | 24 + 32 + 64 | 800)                           = 6,368 flops, fp8
  //   attention 2 * (4 * 64 | 3 * 32 | 5 * 64)                                              = 1,344 flops, bf16
  //   indexer   2 * 4 * 2 * 2 * 4                                                           =   128 flops, fp8
  CHECK(amounts(energy) == std::map<std::string, double>{{"weights memory", 1304},
                                                         {"routed experts memory", 48},
                                                         {"KV entries memory", 108},
                                                         {"indexer keys memory", 20},
                                                         {"linear fp8", 3184},
                                                         {"attention bf16", 672},
                                                         {"indexer fp8", 64}});
  // 1,480 bytes of 8 bits of 2 pJ, 3,248 flops of 5 pJ and 672 of 3 pJ: 23,680 + 16,240 + 2,016 pJ.
  CHECK(energy.is_complete());
  CHECK(energy.known_joules() == Approx(41'936e-12));
}

TEST_CASE("A step moves and computes what the roofline says", "[energy]") {
  for (const char* name : {"deepseek-v3.2", "glm-5.2", "deepseek-r1", "minimax-m3", "gpt-oss-120b"}) {
    for (const std::uint64_t tp : {1U, 8U}) {
      const Model model = load_model(name);
      INFO(name << " tp " << tp);
      const auto of_token = amounts(
          energy_of(name, "h200", {.batch = 4, .context_tokens = 30'000, .deployment = {.tensor_parallel = tp}}));
      const Roofline step = roofline(model, load_gpu("h200"),
                                     {.context_tokens = 30'000,
                                      .batch = 4,
                                      .rate = 1,
                                      .attention = model.has_indexer() ? Attention::sparse : Attention::dense,
                                      .tensor_parallel = tp});
      const auto amount = [&](const std::string& part) { return of_token.contains(part) ? 4 * of_token.at(part) : 0; };
      CHECK(amount("weights memory") == Approx(step.read.weights));
      CHECK(amount("routed experts memory") == Approx(step.read.experts));
      CHECK(amount("KV entries memory") == Approx(step.read.entries));
      CHECK(amount("indexer keys memory") == Approx(step.read.keys));
      const auto flops = [&](const std::string& part) {
        return amount(part + " fp8") + amount(part + " bf16") + amount(part + " fp4");
      };
      CHECK(flops("linear") == Approx(step.flops.linear));
      CHECK(flops("attention") == Approx(step.flops.attention));
      CHECK(flops("indexer") == Approx(step.flops.indexer));
    }
  }
}

TEST_CASE("With attention of their own, GPUs read its weights each, and entries and keys once", "[energy]") {
  StepWorkload workload = {.batch = 8, .context_tokens = 30'000, .deployment = {.tensor_parallel = 8}};
  const auto divided = amounts(energy_of("deepseek-v3.2", "h200", workload));
  workload.deployment.dp_attention = true;
  const auto own = amounts(energy_of("deepseek-v3.2", "h200", workload));
  CHECK(own.at("KV entries memory") == Approx(divided.at("KV entries memory") / 8));
  CHECK(own.at("indexer keys memory") == Approx(divided.at("indexer keys memory") / 8));
  const Model model = load_model("deepseek-v3.2");
  double attention = 0;
  for (const ModelLayer& layer : model.layers) {
    attention += static_cast<double>(layer.attention_parameters + model.indexer.parameters);  // all own one; fp8
  }
  CHECK(own.at("weights memory") - divided.at("weights memory") == Approx(7 * attention / 8));
}

TEST_CASE("A part without a source has no joules, and is none of the sum", "[energy]") {
  const TokenEnergy energy =
      energy_of("deepseek-v3.2", "h100", {.batch = 4, .context_tokens = 30'000, .deployment = {.tensor_parallel = 8}});
  CHECK_FALSE(energy.is_complete());
  double flops = 0;
  for (const EnergyPart& part : energy.parts) {
    CHECK(part.joules().has_value() == part.is_flops);
    flops += part.joules().value_or(0);
  }
  CHECK(energy.known_joules() == flops);
}

TEST_CASE("A GPU's costs of energy are checked", "[energy]") {
  const auto refusal = [](const std::string& text) -> std::string {
    try {
      read_energy_cost(ConfigObject::parse("g.json", text));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  CHECK(refusal(R"({"pj": 1, "kind": "measured", "source": "a meter"})") == "accepted");
  const auto says = [&](const std::string& text, const char* expected) {
    return refusal(text).find(expected) != std::string::npos;
  };
  CHECK(says(R"({"pj": 1, "kind": "guessed", "source": "nobody"})",
             "expected measured, published or upper bound, found \"guessed\""));
  CHECK(says(R"({"pj": -1, "kind": "measured", "source": "a meter"})", "pj"));
  CHECK(says(R"({"pj": 1, "kind": "measured"})", "source"));
}

TEST_CASE("A replay in which every row misses takes what steps of its contexts take", "[energy][replay]") {
  const TraceReader trace = written(selecting());
  ReplayConfig config;
  config.capacity = Capacity::parse("0");
  config.step = {.model = "deepseek-v3.2", .gpu = "h200", .deployment = {.tensor_parallel = 8}, .energy = true};
  const auto all_cold = amounts(*replay(trace, config).step_times->energy);
  auto expected = amounts(
      energy_of("deepseek-v3.2", "h200", {.batch = 2, .context_tokens = 5001, .deployment = {.tensor_parallel = 8}}));
  for (const auto& [part, amount] : amounts(energy_of(
           "deepseek-v3.2", "h200", {.batch = 2, .context_tokens = 5002, .deployment = {.tensor_parallel = 8}}))) {
    expected[part] = (expected[part] + amount) / 2;
  }
  REQUIRE(all_cold.size() == expected.size());
  for (const auto& [part, amount] : expected) {
    INFO(part);
    CHECK(all_cold.at(part) == Approx(amount));
  }

  // 2x holds all: the second step finds 1,948 of 2,048 rows in the L2, whose cost nobody gave.
  config.capacity = Capacity::parse("2x");
  config.step.reservation_cost = ReservationCost::none;
  const TokenEnergy reserved = *replay(trace, config).step_times->energy;
  CHECK_FALSE(reserved.is_complete());
  CHECK(amounts(reserved).at("KV entries memory") == Approx(expected.at("KV entries memory") * (2048 + 100) / 4096));
  CHECK(amounts(reserved).at("hits llc") == Approx(expected.at("KV entries memory") * 1948 / 4096));
}

TEST_CASE("Rows in host memory pass the link, go into memory, and are read there", "[energy][replay]") {
  const TraceReader trace = written(selecting());
  ReplayConfig config;
  config.policy = parse_policy("hisparse");
  config.capacity = Capacity::parse("2x");
  config.memory = parse_memory("pcie5");
  config.step = {.model = "deepseek-v3.2", .gpu = "h200", .deployment = {.tensor_parallel = 8}, .energy = true};
  const TokenEnergy energy = *replay(trace, config).step_times->energy;
  // A token of two: 2,048 and then 100 rows of 656 bytes in 61 layers, on each of 8 GPUs.
  const double fetched = (2048 + 100) / 2.0 * 656 * 61 * 8;
  CHECK(amounts(energy).at("fetched entries link") == Approx(fetched));
  CHECK(amounts(energy).at("written entries memory") == Approx(fetched));
  CHECK(amounts(energy).at("KV entries memory") == Approx(2048.0 * 656 * 61 * 8));
  for (const EnergyPart& part : energy.parts) {
    if (part.from == "link") {
      CHECK(*part.joules() == Approx(fetched * 8 * 6.5e-12));
    }
  }
}
