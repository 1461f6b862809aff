#include "model/checkpoint.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/roofline.hpp"
#include "dsasim/step/predict_step.hpp"
#include "import/captures.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

using namespace dsasim;
using captures::TempDir;

namespace {

using Owners = std::vector<int>;  ///< -1 for nobody's

Selections read(const std::string& text) {
  return selections_of(Checkpoint("config.json", Checkpoint::parse("config.json", text)));
}

Owners owners_of(const std::string& text) {
  Owners out;
  for (const auto& owner : read(text).owner_of) {
    out.push_back(owner ? static_cast<int>(*owner) : -1);
  }
  return out;
}

/// The layers that compute an index.
Owners sources_of(const std::string& text) {
  Owners out;
  const Owners owners = owners_of(text);
  for (int layer = 0; layer < static_cast<int>(owners.size()); ++layer) {
    if (owners[static_cast<std::size_t>(layer)] == layer) {
      out.push_back(layer);
    }
  }
  return out;
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

std::string glm(int layers, const std::string& more) {
  return fmt::format(R"({{"model_type": "glm_moe_dsa", "num_hidden_layers": {}, "index_topk": 2048{}}})", layers, more);
}

/// The published GLM-5.2: 0, 1, 2, 6, 10, ... 74.
const Owners glm52 = {0, 1, 2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 74};

std::string words(const Owners& full, int count) {
  std::string out;
  for (int layer = 0; layer < count; ++layer) {
    const bool is_full = std::find(full.begin(), full.end(), layer) != full.end();
    out += fmt::format("{}\"{}\"", layer == 0 ? "" : ", ", is_full ? "full" : "shared");
  }
  return out;
}

/// The language model's part of the published configurations, as far as weights and KV follow from it.
const std::string deepseek_v32 = R"({"model_type": "deepseek_v32", "num_hidden_layers": 61, "hidden_size": 7168,
  "vocab_size": 129280, "num_attention_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
  "qk_rope_head_dim": 64, "v_head_dim": 128, "index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048,
  "intermediate_size": 18432, "moe_intermediate_size": 2048, "n_routed_experts": 256, "num_experts_per_tok": 8,
  "n_shared_experts": 1, "first_k_dense_replace": 3, "tie_word_embeddings": false,
  "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})";
const std::string glm_52 = R"({"model_type": "glm_moe_dsa", "num_hidden_layers": 78, "hidden_size": 6144,
  "vocab_size": 154880, "num_attention_heads": 64, "q_lora_rank": 2048, "kv_lora_rank": 512, "qk_nope_head_dim": 192,
  "qk_rope_head_dim": 64, "v_head_dim": 256, "index_n_heads": 32, "index_head_dim": 128, "index_topk": 2048,
  "index_topk_freq": 4, "index_skip_topk_offset": 3, "index_topk_pattern": null, "num_nextn_predict_layers": 1,
  "intermediate_size": 12288, "moe_intermediate_size": 2048, "n_routed_experts": 256, "num_experts_per_tok": 8,
  "n_shared_experts": 1, "first_k_dense_replace": 3, "quantization_config": {"quant_method": "fp8"}})";

std::string without(const std::string& text, const std::string& key) {
  const std::size_t begin = text.find('"' + key + '"');
  const std::size_t end = text.find(',', begin);
  REQUIRE(begin != std::string::npos);
  return text.substr(0, begin) + text.substr(end + 1);
}

}  // namespace

TEST_CASE("A checkpoint says which layers compute an index", "[model]") {
  CHECK(sources_of(glm(78, R"(, "index_topk_freq": 4, "index_skip_topk_offset": 3)")) == glm52);
  CHECK(sources_of(glm(78, R"(, "indexer_types": [)" + words(glm52, 78) + "]")) == glm52);
  CHECK(sources_of(glm(78, R"(, "index_topk_pattern": "FFFSSSFSSSFSSSFSSSFSSSFSSSFSSSFSSSFSSSFSSSFSSSFSSSFSSSFSSS)"
                           R"(FSSSFSSSFSSSFSSSFSSSFSSS", "index_topk_freq": 1)")) == glm52);
  // What says the same twice is no contradiction; the list goes on to a draft layer.
  CHECK(sources_of(glm(78, R"(, "index_topk_freq": 4, "index_skip_topk_offset": 3, "indexer_types": [)" +
                               words(glm52, 79) + "]")) == glm52);
  CHECK(sources_of(glm(10, R"(, "index_topk_freq": 4)")) == Owners{0, 1, 5, 9});  // as transformers, vLLM and SGLang
  CHECK(owners_of(glm(6, R"(, "index_topk_pattern": "FSS")")) == Owners{0, 0, 0, 3, 4, 5});
  CHECK(owners_of(glm(3, R"(, "index_topk_pattern": ["full", "shared", "full", "shared"])")) == Owners{0, 0, 2});
  CHECK(sources_of(glm(3, "")) == Owners{0, 1, 2});
  CHECK(sources_of(glm(3, R"(, "indexer_types": null, "index_topk_freq": null)")) == Owners{0, 1, 2});
  CHECK(owners_of(R"({"model_type": "deepseek_v32", "num_hidden_layers": 5, "index_topk_freq": 2})") ==
        Owners{0, 1, 1, 3, 3});
  CHECK(owners_of(R"({"model_type": "deepseek_v3", "num_hidden_layers": 2, "index_topk": 64})") == Owners{0, 1});
}

TEST_CASE("A checkpoint says which layers select, and what", "[model]") {
  const Selections v4 = read(R"({"model_type": "deepseek_v4", "num_hidden_layers": 5, "index_topk": 512,
                                 "compress_ratios": [0, 1, 4, 128, 4, 0]})");
  CHECK(v4.owner_of == std::vector<std::optional<std::uint32_t>>{{}, {}, 2, {}, 4});
  CHECK(v4.unit_tokens == 4);
  CHECK(v4.top_k == 512U);
  CHECK(v4.model == "deepseek_v4");
  // The same, as transformers writes it.
  const Selections v4_types = read(R"({"model_type": "deepseek_v4", "num_hidden_layers": 3, "index_topk": 512,
      "layer_types": ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"],
      "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 128}})");
  CHECK(v4_types.owner_of == std::vector<std::optional<std::uint32_t>>{{}, 1, {}});
  CHECK(v4_types.unit_tokens == 4);

  // Ids of GLM-5.3-Flash are tokens, whatever its indexer pools.
  const Selections glm_flash = read(R"({"model_type": "glm5_next", "text_config": {"model_type": "glm5_next_text",
      "num_hidden_layers": 4, "index_topk": 2048, "index_kpool": 4, "index_topk_freq": 1,
      "indexer_types": ["full", "full", "full", "full"],
      "layer_types": ["linear_attention", "linear_attention", "linear_attention", "deepseek_sparse_attention"]}})");
  CHECK(glm_flash.owner_of == std::vector<std::optional<std::uint32_t>>{{}, {}, {}, 3});
  CHECK(glm_flash.unit_tokens == 1);
  CHECK(glm_flash.model == "glm5_next_text");

  const std::string qwen = R"({"model_type": "qwen4_exp", "text_config": {"model_type": "qwen4_exp_text",
      "num_hidden_layers": 8, "indexer_budget": 2048, "indexer_compress_ratio": 4)";
  const std::string types = R"(, "layer_types": ["linear_attention", "linear_attention", "linear_attention",
      "full_attention", "linear_attention", "linear_attention", "linear_attention", "qwen_sparse_attention"])";
  for (const std::string& text : {qwen + "}}", qwen + types + "}}"}) {
    const Selections flash_next = read(text);
    CHECK(sources_of(text) == Owners{3, 7});
    CHECK(flash_next.unit_tokens == 4);
    CHECK(flash_next.top_k == 512U);
  }

  const Selections m3 = read(R"({"model_type": "minimax_m3", "num_hidden_layers": 3, "sparse_attention_config":
      {"use_sparse_attention": true, "sparse_attention_freq": [0, 1, 1, 1], "sparse_block_size": 128,
       "sparse_topk_blocks": 16, "sparse_num_index_heads": 1}})");
  CHECK(m3.owner_of == std::vector<std::optional<std::uint32_t>>{{}, 1, 2});
  CHECK(m3.unit_tokens == 128);
  CHECK(m3.top_k == 16U);

  // One unit, and a store in each layer that selects, are no more than a trace holds.
  const Selections named = read(R"({"model_type": "deepseek_v41", "num_hidden_layers": 4, "index_topk": 512,
      "compress_ratios": [0, 2, 2, 2], "index_source_layer_ids": [1, 3], "kv_source_layer_ids": [1, 2, 3]})");
  CHECK(named.owner_of == std::vector<std::optional<std::uint32_t>>{{}, 1, 1, 3});
  CHECK(named.unit_tokens == 2);
  CHECK(named.stores.empty());
}

TEST_CASE("A checkpoint says which layers share KV, and the units and bytes of entries", "[model]") {
  // As DeepSeek-V4.1-Flash, with fewer layers: stores of layers 1 and 4, indexers of layers 1, 3, 4 and 6.
  const Selections v41 = read(R"({"model_type": "deepseek_v41", "num_hidden_layers": 7, "index_topk": 512,
      "head_dim": 512, "compress_ratios": [0, 2, 2, 2, 1, 1, 1, 1], "index_source_layer_ids": [1, 3, 4, 6],
      "kv_source_layer_ids": [1, 4]})");
  CHECK(v41.owner_of == std::vector<std::optional<std::uint32_t>>{{}, 1, 1, 3, 4, 4, 6});
  const LayerStore first{.owner = 1, .unit_tokens = 2, .entry_bytes = 288};
  const LayerStore second{.owner = 4, .unit_tokens = 1, .entry_bytes = 288};
  CHECK(v41.stores == std::vector<std::optional<LayerStore>>{{}, first, first, first, second, second, second});
  CHECK(v41.unit_tokens == 2);

  const auto bytes = [](const std::string& text) { return read(text).entry_bytes; };
  CHECK(bytes(glm(1, R"(, "kv_lora_rank": 512, "qk_rope_head_dim": 64)")) == 656);
  CHECK(bytes(glm(1, "")) == 0);
  CHECK(bytes(R"({"model_type": "deepseek_v4", "num_hidden_layers": 1, "compress_ratios": [4], "head_dim": 512,
                  "qk_rope_head_dim": 64})") == 584);
  CHECK(bytes(R"({"model_type": "glm5_next_text", "num_hidden_layers": 1, "kv_lora_rank": 512, "qk_rope_head_dim": 0,
                  "layer_types": ["deepseek_sparse_attention"]})") == 1024);
  CHECK(
      bytes(R"({"model_type": "qwen4_exp_text", "num_hidden_layers": 4, "num_key_value_heads": 2, "head_dim": 256})") ==
      4 * 2048);
  const Selections m3 = read(R"({"model_type": "minimax_m3", "num_hidden_layers": 2, "head_dim": 128,
      "sparse_attention_config": {"sparse_attention_freq": [0, 1], "sparse_num_index_heads": 4}})");
  CHECK(m3.heads == 4);
  CHECK(m3.entry_bytes == 128 * 512);  // of a head
  CHECK(m3.stores.empty());
}

/// A config.json of DeepSeek-V4.1-Flash as far as a model follows from it; the others of published shapes likewise.
std::string published_v41() {
  std::string ratios;
  for (int layer = 0; layer < 43; ++layer) {
    ratios += fmt::format("{}{}", layer == 0 ? "" : ", ", layer < 2 ? 0 : layer < 20 ? 2 : layer < 40 ? 1 : 0);
  }
  return fmt::format(R"({{"model_type": "deepseek_v41", "num_hidden_layers": 40, "hidden_size": 5120,
      "num_attention_heads": 64, "n_routed_experts": 384, "head_dim": 512, "index_topk": 512,
      "compress_ratios": [{}], "index_source_layer_ids": [2, 8, 14, 20, 24, 28, 32, 36],
      "kv_source_layer_ids": [2, 8, 14, 20]}})",
                     ratios);
}

TEST_CASE("A checkpoint of a published model is that model", "[model]") {
  const TempDir dir;
  const auto type_list = [](const char* selecting, int layers) {
    std::string out;
    for (int layer = 0; layer < layers; ++layer) {
      out += fmt::format("{}\"{}\"", layer == 0 ? "" : ", ", layer % 4 == 3 ? selecting : "linear_attention");
    }
    return out;
  };
  std::string frequency = "0, 0, 0";
  for (int layer = 3; layer < 60; ++layer) {
    frequency += ", 1";
  }
  const std::string glm_flash = fmt::format(R"({{"model_type": "glm5_next", "text_config":
      {{"model_type": "glm5_next_text", "num_hidden_layers": 45, "hidden_size": 4096, "num_attention_heads": 64,
       "n_routed_experts": 288, "index_topk": 2048, "kv_lora_rank": 512, "qk_rope_head_dim": 0,
       "layer_types": [{}]}}}})",
                                            type_list("deepseek_sparse_attention", 45));
  const std::string qwen = fmt::format(R"({{"model_type": "qwen4_exp", "text_config":
      {{"num_hidden_layers": 48, "hidden_size": 2560, "num_attention_heads": 24, "num_experts": 512, "head_dim": 256,
       "num_key_value_heads": 2, "indexer_budget": 2048, "indexer_compress_ratio": 4, "layer_types": [{}]}}}})",
                                       type_list("full_attention", 48));
  const std::string m3 = fmt::format(R"({{"model_type": "minimax_m3_vl", "text_config":
      {{"num_hidden_layers": 60, "hidden_size": 6144, "num_attention_heads": 64, "num_local_experts": 128,
       "head_dim": 128, "sparse_attention_config": {{"sparse_num_index_heads": 4, "sparse_topk_blocks": 16,
       "sparse_block_size": 128, "sparse_attention_freq": [{}]}}}}}})",
                                     frequency);
  const auto [text, name] = GENERATE_REF(table<std::string, std::string>({{published_v41(), "deepseek-v4.1-flash"},
                                                                          {glm_flash, "glm-5.3-flash"},
                                                                          {qwen, "qwen3.8-flash-next"},
                                                                          {m3, "minimax-m3"}}));
  CAPTURE(name);
  captures::write_file(dir / "config.json", text);
  const Model found = load_model((dir / "config.json").string());
  const Model expected = load_model(name);
  CHECK(found.name == name);
  CHECK(found.parameters() == expected.parameters());
  const Selections said = load_selections((dir / "config.json").string());
  const Selections named = load_selections(name);
  CHECK(said.owner_of == named.owner_of);
  CHECK(said.stores == named.stores);
  CHECK(said.entry_bytes == named.entry_bytes);
  CHECK(said.unit_tokens == named.unit_tokens);
  CHECK(said.top_k == named.top_k);
  CHECK(said.heads == named.heads);
}

TEST_CASE("A checkpoint that a trace cannot follow is refused with a sentence", "[model]") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"{}", "has no \"num_hidden_layers\""},
      {R"({"model_type": "llama", "num_hidden_layers": 2})", "no key says which layers select: none of layer_types, "},
      {R"({"model_type": "deepseek_v3", "num_hidden_layers": 2})", "no key says which layers select: "},
      {glm(0, ""), "\"num_hidden_layers\": expected an integer from 1 to 10000, found 0"},
      {R"({"model_type": "deepseek_v32", "num_hidden_layers": 4294967296})",
       "\"num_hidden_layers\": expected an integer from 1 to 10000, found 4294967296"},
      {R"({"model_type": "deepseek_v32", "num_hidden_layers": 2, "index_topk": "2048"})",
       "\"index_topk\": expected an integer from 1 to 1073741824, found \"2048\""},
      {glm(2, R"(, "indexer_types": 7)"), "\"indexer_types\": expected an array, found 7"},
      {glm(2, R"(, "indexer_types": ["full"])"), "\"indexer_types\" has 1 entries for 2 layers"},
      {glm(2, R"(, "indexer_types": ["full", 1])"), "\"indexer_types\": expected words, found 1 for layer 1"},
      {glm(2, R"(, "indexer_types": ["full", "half"])"),
       "\"indexer_types\": layer 1 is \"half\", expected \"full\" (F) or \"shared\" (S)"},
      {glm(2, R"(, "indexer_types": ["shared", "full"])"),
       "layer 0 uses the index of a layer before it, and none before it computes one"},
      {glm(2, R"(, "index_topk_pattern": "FX")"), "\"index_topk_pattern\": layer 1 is \"X\", expected "},
      {glm(2, R"(, "index_topk_freq": 0)"), "\"index_topk_freq\": expected an integer from 1 to "},
      {glm(2, R"(, "index_topk_freq": 4, "index_skip_topk_offset": 0)"),
       "\"index_skip_topk_offset\": expected an integer from 1 to "},
      {glm(4, R"(, "index_topk_freq": 4, "indexer_types": ["full", "full", "full", "shared"])"),
       "\"indexer_types\" makes layer 2 full, \"index_topk_freq\" makes it shared; `layer_map` takes a list of owners"},
      {glm(3, R"(, "index_topk_freq": 4, "index_topk_pattern": "FSS")"),
       "\"index_topk_pattern\" makes layer 1 shared, \"index_topk_freq\" makes it full; "},
      {glm(4, R"(, "index_topk_freq": 4, "use_index_cache": false)"),
       "\"index_topk_freq\" is 4, and \"use_index_cache\" false; "},
      {glm(2, R"(, "index_topk_freq": 2, "layer_types": ["linear_attention", "indexed_attention"])"),
       "\"index_topk_freq\" is 2 in a model whose layers do not all select, which is not supported yet; "},
      {glm(2, R"(, "layer_types": ["linear_attention", "full_attention"])"), "none of its 2 layers selects"},
      {glm(2, R"(, "layer_types": ["mamba", "full_attention"])"),
       "\"layer_types\": layer 0 is \"mamba\", of which it is not known whether it selects; known: deepseek_sparse_"},
      {glm(1, R"(, "text_config": {"index_topk": 512})"),
       "\"index_topk\" is 512 in text_config and 2048 outside of it"},
      {R"({"model_type": "deepseek_v4", "num_hidden_layers": 2, "compress_ratios": [4, 8]})",
       "\"compress_ratios\": layer 1 has entries of 8 tokens; of which it is known whether they are selected from: 4 "},
      {R"({"model_type": "deepseek_v4", "num_hidden_layers": 2, "compress_ratios": [4]})",
       "\"compress_ratios\" has 1 entries for 2 layers"},
      {R"({"model_type": "deepseek_v4", "num_hidden_layers": 1, "compress_ratios": [4],
           "layer_types": ["sliding_attention"]})",
       "\"compress_ratios\" makes layer 0 one that selects, \"layer_types\" makes it one that does not; "},
      {R"({"model_type": "deepseek_v41", "num_hidden_layers": 3, "compress_ratios": [2, 1, 1],
           "index_source_layer_ids": [0, 2], "kv_source_layer_ids": [0, 2]})",
       "layer 1 selects entries of 1 tokens from the KV of layer 0, whose entries are of 2"},
      {R"({"model_type": "deepseek_v41", "num_hidden_layers": 2, "compress_ratios": [2, 2],
           "index_source_layer_ids": [0], "kv_source_layer_ids": [1]})",
       "layer 0 reads the KV of a layer before it (kv_source_layer_ids), and none before it has any"},
      {R"({"model_type": "deepseek_v41", "num_hidden_layers": 1, "compress_ratios": [4096],
           "index_source_layer_ids": [0], "kv_source_layer_ids": [0]})",
       "its layers select entries of 4096 tokens, expected at most 1024"},
      {R"({"model_type": "qwen4_exp", "num_hidden_layers": 4, "num_key_value_heads": 10000, "head_dim": 10000})",
       "its entries would have 1600000000 bytes, expected at most 1073741824"},
      {R"({"model_type": "deepseek_v41", "num_hidden_layers": 2, "compress_ratios": [2, 2],
           "index_source_layer_ids": [0, 2]})",
       "\"index_source_layer_ids\" names layer 2 of 2 layers"},
      {R"({"model_type": "deepseek_v41", "num_hidden_layers": 1, "compress_ratios": [2],
           "index_source_layer_ids": [0, 0]})",
       "\"index_source_layer_ids\" names 2 layers of 1"},
      {glm(1, R"(, "layer_types": ["a\nb"])"), "\"layer_types\": layer 0 is \"a\\x0ab\", of which it is not known "},
      {R"({"model_type": "minimax_m3", "num_hidden_layers": 1, "sparse_attention_config": {"sparse_block_size": 128}})",
       "\"sparse_attention_config\" has no \"sparse_attention_freq\""},
      {R"({"model_type": "minimax_m3", "num_hidden_layers": 1, "sparse_attention_config":
           {"sparse_attention_freq": [1], "sparse_num_index_heads": 0}})",
       "\"sparse_num_index_heads\": expected an integer from 1 to 1024, found 0"},
      {R"({"model_type": "x", "model_type": "y"})", "duplicate key \"model_type\""},
      {"[0,", "parse error at line 1, column 4"},
  }));
  CAPTURE(text);
  CHECK_THAT(error_of(text), Catch::Matchers::StartsWith("config.json: " + message));
}

TEST_CASE("A whole model of a checkpoint is that of configs/", "[model]") {
  const TempDir dir;
  const auto [text, name] =
      GENERATE(table<std::string, std::string>({{deepseek_v32, "deepseek-v3.2"}, {glm_52, "glm-5.2"}}));
  captures::write_file(dir / "config.json", text);
  const Model found = load_model((dir / "config.json").string());
  const Model expected = load_model(name);
  CHECK(found.parameters() == expected.parameters());
  CHECK(found.active_parameters() == expected.active_parameters());
  CHECK(found.indexer_layers() == expected.indexer_layers());
  CHECK(found.stored_weight_bytes() == expected.stored_weight_bytes());
  const RooflineConfig config{.context_tokens = 65536, .batch = 8, .rate = 50};
  const Roofline of_found = roofline(found, load_gpu("h200"), config);
  const Roofline of_expected = roofline(expected, load_gpu("h200"), config);
  CHECK(of_found.read.total() == of_expected.read.total());
  CHECK(of_found.stored.total() == of_expected.stored.total());
  CHECK(of_found.flops.total() == of_expected.flops.total());
  CHECK(of_found.compute_s == of_expected.compute_s);
  const Selections selections = load_selections((dir / "config.json").string());
  CHECK(selections.owner_of == load_selections(name).owner_of);
  CHECK(selections.entry_bytes == 656);
}

TEST_CASE("What a checkpoint lacks for a whole model is asked for by name", "[model]") {
  const TempDir dir;
  const std::string path = (dir / "config.json").string();
  const auto error = [&](const std::string& text) {
    captures::write_file(path, text);
    try {
      load_model(path);
    } catch (const Error& refused) {
      return dir.strip(refused.what());
    }
    return std::string();
  };
  for (const char* key : {"q_lora_rank", "hidden_size", "vocab_size", "kv_lora_rank", "index_head_dim",
                          "n_routed_experts", "moe_intermediate_size", "first_k_dense_replace", "index_topk"}) {
    CHECK_THAT(error(without(deepseek_v32, key)),
               Catch::Matchers::Equals(
                   fmt::format("config.json: has no \"{}\"; the model's weights and KV follow from it", key)));
  }
  CHECK(error(without(without(deepseek_v32, "v_head_dim"), "vocab_size")) ==
        "config.json: has no \"vocab_size\", \"v_head_dim\"; the model's weights and KV follow from them");
  CHECK_THAT(error(R"({"model_type": "llama", "num_hidden_layers": 2})"),
             Catch::Matchers::StartsWith("config.json: is a checkpoint's configuration (Hugging Face) of the type "
                                         "\"llama\", whose weights and KV it is not known to say; known: "));
  CHECK(error(R"({"model_type": "minimax_m3", "num_hidden_layers": 2})") ==
        "config.json: has no \"hidden_size\"; the weights follow from it");
  CHECK_THAT(error(R"({"model_type": "minimax_m3", "num_hidden_layers": 2, "hidden_size": 64, "num_experts": 4,
                       "num_attention_heads": 8})"),
             Catch::Matchers::StartsWith("config.json: is a minimax_m3 of 2 layers, hidden size 64, 8 heads and 4 "
                                         "experts, whose weights are not known; "));
  std::string shifted = published_v41();
  shifted.replace(shifted.find("[2, 8, 14, 20, 24"), 17, "[2, 8, 14, 20, 25");
  CHECK_THAT(error(shifted), Catch::Matchers::StartsWith("config.json: has the shapes of deepseek-v4.1-flash, and "));
  std::string other = deepseek_v32;
  other.replace(other.find("\"fp8\""), 5, "\"awq\"");
  CHECK_THAT(error(other), Catch::Matchers::StartsWith("config.json: \"quantization_config\": expected the "));
  // A file that is neither kind hears what both look like.
  CHECK_THAT(error(R"({"a": 1})"),
             Catch::Matchers::StartsWith("config.json: is no model: neither an object with \"layers\", \"attention\", "
                                         "\"ffn\" ... (docs/roofline.md) nor a checkpoint's config.json (Hugging Face) "
                                         "with \"model_type\""));
  CHECK_THAT(error("[1]"), Catch::Matchers::StartsWith("config.json: is no model: "));
  // One of ours that is wrong hears what is wrong.
  CHECK(error(R"({"layers": 3})") == "config.json: expected a key \"description\", found none");
}

TEST_CASE("A checkpoint's step takes what that of the model of its shapes takes", "[checkpoint][step]") {
  const TempDir scratch;
  const auto tpot_ns = [&](const std::string& model) {
    const Gpu gpu = load_gpu("h200");
    return predict_step(load_model(model), gpu, KernelTable::load("", gpu),
                        {.batch = 16, .context_tokens = 30'000, .deployment = {.tensor_parallel = 8}})
        .tpot_ns();
  };
  captures::write_file(scratch / "v32.json", deepseek_v32);
  CHECK(tpot_ns((scratch / "v32.json").string()) == tpot_ns("deepseek-v3.2"));
  captures::write_file(scratch / "glm.json", glm_52);
  CHECK(tpot_ns((scratch / "glm.json").string()) == tpot_ns("glm-5.2"));
}
