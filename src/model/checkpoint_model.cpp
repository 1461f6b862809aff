// A whole model out of a checkpoint's config.json: written as a configuration of ours, and read as one.
#include "config/json_document.hpp"
#include "dsasim/error.hpp"
#include "model/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

/// Latent attention (MLA) with an indexer in every layer that computes an index, and experts: the shapes of both types
/// are the same.
bool has_known_shapes(const Checkpoint& checkpoint) {
  const std::string type = checkpoint.model_type();
  return type == "deepseek_v32" || type == "glm_moe_dsa";
}

/// Of so many values in fp8, with a scale of four bytes for each 128.
std::uint64_t fp8_bytes(std::uint64_t values) {
  return values + (values + 127) / 128 * 4;
}

/// The dimensions that attention, indexer and FFN follow from.
struct Shapes {
  explicit Shapes(const Checkpoint& checkpoint)
      : hidden(need(checkpoint, "hidden_size")),
        heads(need(checkpoint, "num_attention_heads")),
        q_rank(need(checkpoint, "q_lora_rank")),
        kv_rank(need(checkpoint, "kv_lora_rank")),
        nope(need(checkpoint, "qk_nope_head_dim")),
        rope(need(checkpoint, "qk_rope_head_dim")),
        value(need(checkpoint, "v_head_dim")),
        index_heads(need(checkpoint, "index_n_heads")),
        index_dim(need(checkpoint, "index_head_dim")) {}

  static std::uint64_t need(const Checkpoint& checkpoint, std::string_view key) {
    return checkpoint.need(key, 1, "the weights and KV");
  }

  std::uint64_t hidden, heads, q_rank, kv_rank, nope, rope, value, index_heads, index_dim;
};

/// All keys that are missing are asked for together.
void require_keys(const Checkpoint& checkpoint) {
  constexpr std::array keys = {"num_hidden_layers",   "hidden_size",           "vocab_size",
                               "num_attention_heads", "q_lora_rank",           "kv_lora_rank",
                               "qk_nope_head_dim",    "qk_rope_head_dim",      "v_head_dim",
                               "index_n_heads",       "index_head_dim",        "index_topk",
                               "intermediate_size",   "n_routed_experts",      "num_experts_per_tok",
                               "n_shared_experts",    "moe_intermediate_size", "first_k_dense_replace"};
  std::vector<std::string> missing;
  for (const char* key : keys) {
    if (!checkpoint.has(key)) {
      missing.push_back(fmt::format("\"{}\"", key));
    }
  }
  if (!missing.empty()) {
    throw ConfigError(checkpoint.path(), "has no {}; the model's weights and KV follow from {}",
                      fmt::join(missing, ", "), missing.size() == 1 ? "it" : "them");
  }
}

/// "0,1,2,6,10": layers of a group.
std::string layer_list(const std::vector<std::uint32_t>& layers) {
  return fmt::format("{}", fmt::join(layers, ","));
}

Json attention(const Checkpoint& checkpoint, const Shapes& shapes, const Selections& selections) {
  Json group = {{"weights",
                 {{"q_a", {shapes.hidden, shapes.q_rank}},
                  {"q_b", {shapes.q_rank, shapes.heads * (shapes.nope + shapes.rope)}},
                  {"kv_a", {shapes.hidden, shapes.kv_rank + shapes.rope}},
                  {"kv_b", {shapes.kv_rank, shapes.heads * (shapes.nope + shapes.value)}},
                  {"o", {shapes.heads * shapes.value, shapes.hidden}}}},
                {"latent",
                 {{"hidden", shapes.hidden},
                  {"heads", shapes.heads},
                  {"query_rank", shapes.q_rank},
                  {"rank", shapes.kv_rank},
                  {"rope", shapes.rope},
                  {"nope", shapes.nope},
                  {"value", shapes.value}}},
                {"entry_bytes", entry_bytes_of(checkpoint, 1)},
                {"entry_flops", shapes.heads * 2 * (2 * shapes.kv_rank + shapes.rope)},
                {"kv_heads", 1},
                {"unit_tokens", 1},
                {"top_k", checkpoint.need("index_topk", 1, "the selections")}};
  std::vector<std::uint32_t> owners;
  for (std::uint32_t layer = 0; layer < selections.owner_of.size(); ++layer) {
    if (selections.owner_of[layer] == layer) {
      owners.push_back(layer);
    }
  }
  Json owning = group;
  owning["layers"] = layer_list(owners);
  owning["owns_indexer"] = true;
  Json groups = Json::array({owning});
  if (owners.size() < selections.owner_of.size()) {
    groups.push_back(group);
  }
  return groups;
}

Json matrices(std::uint64_t hidden, std::uint64_t inner) {
  return {{"gate", {hidden, inner}}, {"up", {hidden, inner}}, {"down", {inner, hidden}}};
}

Json feed_forward(const Checkpoint& checkpoint, std::uint64_t hidden, std::size_t layers) {
  const auto need = [&](std::string_view key, std::uint64_t least) {
    return checkpoint.need(key, least, "the weights");
  };
  const std::uint64_t dense = std::min<std::uint64_t>(need("first_k_dense_replace", 0), layers);
  Json groups = Json::array();
  if (dense > 0) {
    groups.push_back(
        {{"layers", fmt::format("0-{}", dense - 1)}, {"weights", matrices(hidden, need("intermediate_size", 1))}});
  }
  if (dense < layers) {
    const std::uint64_t inner = need("moe_intermediate_size", 1);
    const std::uint64_t shared = need("n_shared_experts", 0);
    const std::uint64_t experts = need("n_routed_experts", 1);
    Json weights = {{"router", {hidden, experts}}};
    if (shared > 0) {
      weights["shared_gate"] = {hidden, shared * inner};
      weights["shared_up"] = {hidden, shared * inner};
      weights["shared_down"] = {shared * inner, hidden};
    }
    groups.push_back(
        {{"weights", weights},
         {"experts",
          {{"count", experts}, {"active", need("num_experts_per_tok", 1)}, {"weights", matrices(hidden, inner)}}}});
  }
  return groups;
}

/// A model of configs/models and the numbers by which a checkpoint is known to be it.
struct Published {
  const char* type;  ///< what model_type begins with
  const char* name;
  std::uint64_t layers, hidden, heads, experts;
};
constexpr std::array published = {
    Published{"deepseek_v41", "deepseek-v4.1-flash", 40, 5120, 64, 384},
    Published{"deepseek_v4", "deepseek-v4-flash", 43, 4096, 64, 256},
    Published{"deepseek_v4", "deepseek-v4-pro", 61, 7168, 128, 384},
    Published{"glm5_next", "glm-5.3-flash", 45, 4096, 64, 288},
    Published{"qwen4_exp", "qwen3.8-flash-next", 48, 2560, 24, 512},
    Published{"minimax_m3", "minimax-m3", 60, 6144, 64, 128},
};

/// How many experts there are, by whichever of its names the checkpoint has.
std::uint64_t expert_count(const Checkpoint& checkpoint) {
  constexpr std::array keys = {"n_routed_experts", "num_experts", "num_local_experts"};
  const auto* const key =
      std::find_if(keys.begin(), keys.end(), [&](const char* name) { return checkpoint.has(name); });
  return checkpoint.need(key == keys.end() ? keys.front() : *key, 1, "the weights");
}

/// Weights of other types are not worked out: their checkpoint has to be one that was published.
Model published_model(const Checkpoint& checkpoint) {
  const std::string type = checkpoint.model_type();
  const auto is_type = [&](const Published& model) { return type.starts_with(model.type); };
  const auto* const known = std::find_if(published.begin(), published.end(), is_type);
  if (known == published.end()) {
    throw ConfigError(
        checkpoint.path(),
        "is a checkpoint's configuration (Hugging Face) of the type \"{}\", whose weights and KV it is not "
        "known to say; known: deepseek_v32, glm_moe_dsa, deepseek_v4, deepseek_v41, glm5_next, qwen4_exp, minimax_m3. "
        "`dsasim models` lists others by name, and docs/roofline.md says how to write one",
        printable_message(type));
  }
  const std::string_view family = known->type;
  const std::uint64_t layers = checkpoint.layer_count();
  const std::uint64_t hidden = checkpoint.need("hidden_size", 1, "the weights");
  const std::uint64_t heads = checkpoint.need("num_attention_heads", 1, "the weights");
  const std::uint64_t experts = expert_count(checkpoint);
  for (const Published& model : published) {
    if (model.type != family || model.layers != layers || model.hidden != hidden || model.heads != heads ||
        model.experts != experts) {
      continue;
    }
    Model found = load_model(model.name);
    const Selections expected = selections_of(found);
    const Selections said = selections_of(checkpoint);
    if (said.owner_of != expected.owner_of || said.unit_tokens != expected.unit_tokens ||
        said.top_k.value_or(*expected.top_k) != *expected.top_k || said.heads != expected.heads) {
      throw ConfigError(checkpoint.path(),
                        "has the shapes of {}, and other layers that select, units or top-k; write a configuration of "
                        "the model's own (docs/roofline.md)",
                        model.name);
    }
    return found;
  }
  throw ConfigError(checkpoint.path(),
                    "is a {} of {} layers, hidden size {}, {} heads and {} experts, whose weights are not known; "
                    "known are the published ones: `dsasim models`. docs/roofline.md says how to write one",
                    family, layers, hidden, heads, experts);
}

/// Whether the checkpoint is in fp8; otherwise in bf16.
bool is_fp8(const Checkpoint& checkpoint) {
  const std::optional<Checkpoint> quantised = checkpoint.object("quantization_config");
  if (!quantised) {
    return false;
  }
  const auto* const method = quantised->find("quant_method");
  if (method == nullptr || *method != "fp8") {
    throw ConfigError(
        checkpoint.path(),
        "\"quantization_config\": expected the quant_method fp8, or none for bf16; bytes of other weights "
        "are not known: write a configuration of the model's own (docs/roofline.md)");
  }
  return true;
}

}  // namespace

std::uint64_t entry_bytes_of(const Checkpoint& checkpoint, std::uint64_t unit_tokens) {
  constexpr std::uint64_t most = 10'000;
  constexpr std::uint64_t key_and_value_in_bf16 = 4;
  const std::string type = checkpoint.model_type();
  const auto number = [&](std::string_view key) { return checkpoint.number(key, 0, most).value_or(0); };
  const std::uint64_t rank = number("kv_lora_rank");
  const std::uint64_t rope = number("qk_rope_head_dim");
  const std::uint64_t dim = number("head_dim");
  if (has_known_shapes(checkpoint)) {
    return rank > 0 && rope > 0 ? fp8_bytes(rank) + 2 * rope : 0;
  }
  if (type.starts_with("deepseek_v41")) {
    return dim / 2 + dim / 16;  // fp4, a scale of a byte for each 16
  }
  if (type.starts_with("deepseek_v4")) {
    constexpr std::uint64_t scales = 8;
    return dim > rope && rope > 0 ? dim - rope + 2 * rope + scales : 0;
  }
  if (type.starts_with("glm5_next")) {
    return 2 * rank * unit_tokens;
  }
  if (type.starts_with("qwen4_exp")) {
    return key_and_value_in_bf16 * number("num_key_value_heads") * dim * unit_tokens;
  }
  return type.starts_with("minimax_m3") ? key_and_value_in_bf16 * dim * unit_tokens : 0;
}

Model model_of(const Checkpoint& checkpoint) {
  if (!has_known_shapes(checkpoint)) {
    return published_model(checkpoint);
  }
  require_keys(checkpoint);
  const Selections selections = selections_of(checkpoint);
  const std::size_t layers = selections.owner_of.size();
  const Shapes shapes(checkpoint);
  const std::uint64_t vocabulary = checkpoint.need("vocab_size", 1, "the weights");
  const bool fp8 = is_fp8(checkpoint);
  const auto* const tied = checkpoint.find("tie_word_embeddings");
  Json ours = {{"description", selections.model},
               {"source", "the checkpoint's config.json"},
               {"assumed", "KV and keys in fp8; embedding and head in bf16; attention to latent rows in bf16"},
               {"layers", layers}};
  if (tied == nullptr || *tied != true) {
    ours["embedding"] = {vocabulary, shapes.hidden};
  }
  ours["head"] = {shapes.hidden, vocabulary};
  ours["attention"] = attention(checkpoint, shapes, selections);
  ours["indexer"] = {{"heads", shapes.index_heads},
                     {"dim", shapes.index_dim},
                     {"key_bytes", fp8_bytes(shapes.index_dim)},
                     {"weights",
                      {{"q_b", {shapes.q_rank, shapes.index_heads * shapes.index_dim}},
                       {"k", {shapes.hidden, shapes.index_dim}},
                       {"heads", {shapes.hidden, shapes.index_heads}}}}};
  ours["ffn"] = feed_forward(checkpoint, shapes.hidden, layers);
  const int bytes = fp8 ? 1 : 2;
  ours["weight_bytes"] = {{"attention", bytes}, {"ffn", bytes}, {"experts", bytes}, {"head", 2}};
  ours["arithmetic"] = {{"linear", fp8 ? "fp8" : "bf16"}, {"attention", "bf16"}, {"indexer", "fp8"}};
  Model model = read_model(ConfigObject::parse(checkpoint.path(), ours.dump()));
  model.name = selections.model;
  return model;
}

}  // namespace dsasim
