#include "catch.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/gpu.hpp"
#include "dsasim/model/model.hpp"
#include "model/tiny_model.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace dsasim {
namespace {

/// The tiny model with `from` replaced by `to`: the message that refuses it.
std::string refusal_of(std::string_view from, std::string_view to) {
  std::string text = tiny_model;
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  try {
    read_model(ConfigObject::parse("x.json", text));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("A tiny model, worked out by hand") {
  const Model model = read_model(ConfigObject::parse("tiny.json", tiny_model));
  REQUIRE(model.layers.size() == 3);
  CHECK(model.indexer_layers() == std::vector<std::uint32_t>{0});
  // Attention 64 + 32 + 64, 64, 24; indexer 64 + 32; FFN 256, 32, 32; experts 4 x 32 twice; 800 + 800.
  CHECK(model.parameters() == 160 + 64 + 24 + 96 + 256 + 32 + 32 + 128 + 128 + 1600);
  CHECK(model.active_parameters() == 160 + 64 + 24 + 96 + 256 + 32 + 32 + 64 + 64 + 800);
  CHECK(model.stored_weight_bytes() == 2 * (160 + 64 + 24 + 96) + 320 + 0.5 * 256 + 2 * 1600);
  CHECK(model.layer_weight_bytes(0, 1) == 2 * (160 + 96) + 256);
  CHECK(model.layer_weight_bytes(0, 64) == model.layer_weight_bytes(0, 1));
  // One token names 2 of 4 experts; two tokens 4 x (1 - 1/4) = 3.
  CHECK(model.layer_weight_bytes(1, 1) == 2 * 64 + 32 + 0.5 * 2 * 32);
  CHECK(model.layer_weight_bytes(1, 2) == 2 * 64 + 32 + 0.5 * 3 * 32);
  CHECK(model.head_weight_bytes() == 1600);
  CHECK(model.linear_flops_per_token(0) == 2 * (160 + 96 + 256));
  CHECK(model.linear_flops_per_token(1) == 2 * (64 + 32 + 64));
  CHECK(model.head_flops_per_token() == 1600);
  CHECK(model.attention_flops(0, 7) == 7 * 64);
  // Layer 0: an entry of 10 bytes for 2 tokens; layer 2 the same; layer 1 does not grow.
  CHECK(model.kv_bytes_per_token() == 10);
}

TEST_CASE("What a layer reads of a context: windows, whole units, top-k") {
  const Model model = read_model(ConfigObject::parse("tiny.json", tiny_model));
  const auto read = [&](std::size_t layer, std::uint64_t context) {
    return std::vector<std::uint64_t>{model.read_entries(layer, context, Attention::full),
                                      model.read_entries(layer, context, Attention::dense),
                                      model.read_entries(layer, context, Attention::sparse)};
  };
  using Entries = std::vector<std::uint64_t>;
  CHECK(read(0, 21) == Entries{10, 10, 4});
  CHECK(read(0, 7) == Entries{3, 3, 3});
  CHECK(read(1, 21) == Entries{21, 3, 3});
  CHECK(read(1, 2) == Entries{2, 2, 2});
  CHECK(read(2, 21) == Entries{11, 11, 5});
  CHECK(model.stored_entries(1, 21) == 3);
  CHECK(model.stored_entries(2, 21) == 11);
  // The owner scans the 10 keys of whole units; a layer that shares its selection scans none.
  CHECK(model.indexer_key_bytes(0, 21) == 50);
  CHECK(model.indexer_flops(0, 21) == 2 * 2 * 4 * 10);
  CHECK(model.indexer_key_bytes(2, 21) == 0);
  CHECK(model.indexer_flops(2, 21) == 0);
}

TEST_CASE("Experts that a batch is expected to name") {
  CHECK(expected_experts(0, 0, 8) == 0);
  CHECK(expected_experts(256, 8, 0) == 0);
  CHECK(expected_experts(256, 8, 1) == 8);
  CHECK(expected_experts(8, 8, 3) == 8);
  for (const std::uint64_t batch : {2U, 3U, 7U, 64U, 1000U}) {
    double missed = 1;
    for (std::uint64_t i = 0; i < batch; ++i) {
      missed *= 1 - 8.0 / 256;
    }
    CHECK(std::abs(expected_experts(256, 8, batch) - 256 * (1 - missed)) < 1e-10);
  }
  CHECK(expected_experts(128, 1, ~std::uint64_t{0}) == 128);
}

TEST_CASE("A model is refused with the place and the reason") {
  struct Refusal {
    const char* from;
    const char* to;
    const char* message;
  };
  const Refusal refusals[] = {
      {R"("layers": 3)", R"("layers": 3.5)", R"(/layers: expected an integer from 1 to 10000, found 3.5)"},
      {R"("layers": 3)", R"("layers": 3, "depth": 3)",
       R"(unknown key "depth"; known: description, source, layers, attention, ffn, indexer, embedding, head, )"
       R"(weight_bytes, arithmetic)"},
      {R"("key_bytes": 5)", R"("key_bytes": 5, "size": 1)",
       R"(/indexer: unknown key "size"; known: heads, dim, key_bytes, weights)"},
      {R"("count": 4)", R"("count": 1)", R"(/ffn/1/experts/active: expected an integer from 1 to 1, found 2)"},
      {R"("layers": "1")", R"("layers": "1-3")",
       R"(/attention/1/layers: expected layers from 0 to 2, like "0,1,2-74/4", found "1-3")"},
      {R"("layers": "1")", R"("layers": "2-1")",
       R"(/attention/1/layers: expected layers from 0 to 2, like "0,1,2-74/4", found "2-1")"},
      {R"("layers": "1")", R"("layers": "0-2/0")",
       R"(/attention/1/layers: expected layers from 0 to 2, like "0,1,2-74/4", found "0-2/0")"},
      {R"("layers": "1")", R"("layers": "1,")",
       R"(/attention/1/layers: expected layers from 0 to 2, like "0,1,2-74/4", found "1,")"},
      {R"("layers": "1")", R"("layers": "0-1")", R"(/attention/1/layers: layer 0 is named twice)"},
      {R"("layers": "1", )", "", R"(/attention: expected at most one group without "layers", found two)"},
      {R"({"weights": {"router")", R"({"layers": "1", "weights": {"router")",
       R"(/ffn: layer 2 belongs to no group; a group without "layers" has all that are left)"},
      {"[2, 3, 4]", "[100000000, 100000000]",
       R"(/attention/2/weights: q: more than 100000000000000 parameters in a layer)"},
      {"[2, 3, 4]", "[0]", R"(/attention/2/weights/q: expected an integer from 1 to 100000000, found 0)"},
      {R"(, "window_tokens": 3)", "",
       R"(/attention/1: expected "unit_tokens", "window_tokens" or both, found neither)"},
      {R"("window_tokens": 3)", R"("window_tokens": 3, "top_k": 1)",
       R"(/attention/1: "top_k" needs "unit_tokens": it selects among the entries of the context)"},
      {R"("window_tokens": 3)", R"("window_tokens": 3, "owns_indexer": true)",
       R"(/attention/1: "owns_indexer" needs "top_k")"},
      {R"(, "owns_indexer": true)", "", R"(/attention: layer 0 has "top_k", but no layer up to it has "owns_indexer")"},
      {R"("indexer": {"heads": 2, "dim": 4, "key_bytes": 5, "weights": {"q": [8, 8], "k": [8, 4]}},)", "",
       R"(expected both "indexer" and a layer with "owns_indexer", or neither, found only a layer)"},
      {R"(, "owns_indexer": true)", R"(, "owns_indexer": true, "shares_kv": true)",
       R"(/attention: layer 0 has "shares_kv", and the layer before it that keeps entries of the context has others, )"
       R"(or there is none)"},
      {R"("window_tokens": 3)", R"("window_tokens": 3, "most_keys": 8)",
       R"(/attention/1: "most_keys" needs "owns_indexer")"},
      {R"(, "owns_indexer": true)", R"(, "owns_indexer": true, "selecting_heads": 3)",
       R"(/attention/0/selecting_heads: expected an integer from 1 to 2, found 3)"},
      {R"("window_tokens": 3)", R"("window_tokens": 3, "state_bytes": 8)",
       R"(/attention/1: expected a key "state_flops", found none)"},
      {R"("fp8")", R"("fp7")", R"(/arithmetic: linear: expected bf16, fp8 or fp4, found "fp7")"},
      {R"("experts": 0.5)", R"("experts": 0)", R"(/weight_bytes/experts: expected a number from 0.001 to 16, found 0)"},
  };
  for (const Refusal& refusal : refusals) {
    CHECK(refusal_of(refusal.from, refusal.to) == std::string("x.json: ") + refusal.message);
  }
}

TEST_CASE("Sizes of the models in configs/ are the published ones") {
  struct Published {
    const char* name;
    double total;
    double active;
    bool with_embedding;  ///< whether the published active size counts the embedding
    double tolerance;     ///< of the active size, published to two digits; ours counts indexers, added ones too
  };
  // Model cards; of V3.2 that of DeepSeek-V3, without the indexer and the draft layer. GLM-5 and V4: arXiv 2602.15763
  // and 2606.19348. Tables of n-grams are not counted.
  const std::vector<Published> published = {
      {"llama-3.1-8b", 8.03e9, 8.03e9, true, 0.01},
      {"llama-3.1-70b", 70.55e9, 70.55e9, true, 0.01},
      {"qwen3-8b", 8.19e9, 8.19e9, true, 0.01},
      {"qwen3-30b-a3b", 30.5e9, 3.3e9, true, 0.03},
      {"qwen3-480b", 480e9, 35e9, true, 0.02},
      {"llama-4-maverick", 400e9, 17e9, true, 0.02},
      {"gpt-oss-120b", 116.8e9, 5.13e9, false, 0.01},
      {"deepseek-v3.2", 671e9, 37e9, false, 0.02},
      {"glm-5.1", 744e9, 40e9, false, 0.025},
      {"glm-5.2", 744e9, 40e9, false, 0.025},
      {"deepseek-v4-flash", 284e9, 13e9, false, 0.02},
      {"deepseek-v4-pro", 1.6e12, 49e9, false, 0.02},
      {"deepseek-r1", 671e9, 37e9, false, 0.02},
      {"deepseek-v4.1-flash", 552e9, 16e9, false, 0.025},
      // 320 and 18 with the draft layer; its 7.5 are left out.
      {"glm-5.3-flash", 313e9, 18e9, true, 0.05},
      {"qwen3.8-flash-next", 125e9, 6e9, false, 0.03},
      // Its 23 active ones count neither the embedding nor the head, of 1.2.
      {"minimax-m3", 428e9, 24.2e9, false, 0.025},
  };
  CHECK(published.size() == config_names("models").size());
  for (const Published& model : published) {
    INFO(model.name);
    const Model loaded = load_model(model.name);
    CHECK(std::abs(static_cast<double>(loaded.parameters()) / model.total - 1) < 0.02);
    const auto active =
        static_cast<double>(loaded.active_parameters() + (model.with_embedding ? loaded.embedding_parameters : 0));
    CHECK(std::abs(active / model.active - 1) < model.tolerance);
  }
}

TEST_CASE("The layers of the models in configs/ are those that serving stacks log") {
  CHECK(load_model("deepseek-v3.2").indexer_layers().size() == 61);
  CHECK(load_model("glm-5.1").indexer_layers().size() == 78);
  const auto shared = load_model("glm-5.2").indexer_layers();
  CHECK(shared ==
        std::vector<std::uint32_t>{0, 1, 2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 74});
  const auto flash = load_model("deepseek-v4-flash").indexer_layers();
  CHECK(flash.size() == 21);
  CHECK(flash.front() == 2);
  CHECK(flash.back() == 42);
  const auto pro = load_model("deepseek-v4-pro").indexer_layers();
  CHECK(pro.size() == 30);
  CHECK(pro.back() == 60);
  CHECK(!load_model("gpt-oss-120b").has_indexer());
  using Layers = std::vector<std::uint32_t>;
  CHECK(load_model("deepseek-v4.1-flash").indexer_layers() == Layers{2, 8, 14, 20, 24, 28, 32, 36});
  CHECK(load_model("glm-5.3-flash").indexer_layers() == Layers{3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43});
  CHECK(load_model("qwen3.8-flash-next").indexer_layers() == Layers{3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 43, 47});
  CHECK(load_model("minimax-m3").indexer_layers().size() == 57);
  CHECK(load_model("minimax-m3").indexer_layers().front() == 3);
  // 132 bytes of each of 128 Ki tokens in 61 layers: 1.06 GB a step.
  const Model model = load_model("deepseek-v3.2");
  CHECK(61 * model.indexer_key_bytes(0, 131072) == 1'055'391'744);
}

TEST_CASE("What layers keep of a context: shared KV, keys of other units, states") {
  // DeepSeek-V4.1: 890 bytes of KV and keys a token. Three stores of (288 + 68) bytes for 2 tokens, one of 288 + 68.
  const Model v41 = load_model("deepseek-v4.1-flash");
  const auto kept = [&](std::uint64_t context) {
    std::uint64_t bytes = 0;
    for (std::size_t layer = 0; layer < v41.layers.size(); ++layer) {
      bytes += v41.stored_entries(layer, context) * v41.layers[layer].entry_bytes +
               v41.stored_keys(layer, context) * v41.indexer.key_bytes;
    }
    return bytes;
  };
  CHECK(kept(20'000) - kept(10'000) == 8'900'000);
  CHECK(v41.kv_bytes_per_token() == 3 * 144 + 288);
  CHECK(v41.stored_entries(21, 10'000) == 128);  // its window
  CHECK(v41.read_entries(21, 10'000, Attention::sparse) == 128 + 512);
  // Layer 20 scores each token's key, layer 24 those of 2,048 blocks of 8.
  CHECK(v41.scored_keys(2, 100'000) == 50'000);
  CHECK(v41.scored_keys(20, 100'000) == 100'000);
  CHECK(v41.scored_keys(24, 100'000) == 16'384);
  CHECK(v41.scored_keys(24, 10'000) == 10'000);
  CHECK(v41.stored_keys(24, 100'000) == 0);

  // A key for 4 tokens beside an entry of one; states that do not grow.
  const Model glm = load_model("glm-5.3-flash");
  CHECK(glm.scored_keys(3, 4'000) == 1'000);
  CHECK(glm.stored_entries(3, 4'000) == 4'000);
  for (const Attention attention : {Attention::full, Attention::dense, Attention::sparse}) {
    CHECK(glm.read_entries(0, 4'000, attention) == 1);
  }
  CHECK(glm.kv_bytes_per_token() == 11 * 1024);
  CHECK(load_model("qwen3.8-flash-next").kv_bytes_per_token() == 12 * 2048);

  // A key for each token beside blocks of 128.
  const Model m3 = load_model("minimax-m3");
  CHECK(m3.scored_keys(3, 12'800) == 12'800);
  CHECK(m3.read_entries(3, 12'800, Attention::sparse) == 16);
  CHECK(m3.kv_bytes_per_token() == 60 * 2048);
}

TEST_CASE("Every GPU in configs/ loads, and computes what it has no units for in the next wider type") {
  for (const std::string_view name : config_names("gpus")) {
    INFO(name);
    const Gpu gpu = load_gpu(std::string(name));
    CHECK(gpu.tflop_s(Arithmetic::fp8) >= gpu.tflop_s(Arithmetic::bf16));
    CHECK(gpu.tflop_s(Arithmetic::fp4) >= gpu.tflop_s(Arithmetic::fp8));
    const auto memories = config_names("memory");
    CHECK(std::find(memories.begin(), memories.end(), gpu.memory) != memories.end());
  }
  CHECK(load_gpu("a100").tflop_s(Arithmetic::fp4) == 312);
  CHECK(load_gpu("h100").tflop_s(Arithmetic::fp4) == 1979);
  CHECK(load_gpu("b200").tflop_s(Arithmetic::fp4) == 9000);
  for (const char* name : {"b200", "b300", "gb300"}) {
    CHECK(load_gpu(name).llc.starts_with("132644864,"));
  }
  CHECK_THROWS_WITH(load_gpu("h1000"), Catch::Matchers::StartsWith(
                                           "`gpu`: unknown name \"h1000\" (did you mean \"h100\"?); known: a100, "));
  CHECK_THROWS_WITH(load_model("gpt"), Catch::Matchers::StartsWith("`model`: unknown name \"gpt\"; known: "));
}

}  // namespace dsasim
