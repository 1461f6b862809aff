#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/model.hpp"
#include "model/model_file.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace dsasim {
namespace {

// Far above any model; they keep every product and sum of a Model's functions within its type.
constexpr std::uint64_t max_layers = 10'000;
constexpr std::uint64_t max_dimension = 100'000'000;
constexpr std::uint64_t max_layer_parameters = 100'000'000'000'000;
constexpr std::uint64_t max_experts = 100'000;
constexpr std::uint64_t max_entry_bytes = 100'000'000;
constexpr std::uint64_t max_entry_flops = 1'000'000'000'000;
constexpr std::uint64_t max_tokens = 1'000'000'000;

[[noreturn]] void refuse_parameters(const ConfigObject& config, std::string_view key) {
  throw ConfigError(config.where(), "{}: more than {} parameters in a layer", key, max_layer_parameters);
}

std::uint64_t shape_parameters(ConfigObject& config, std::string_view key) {
  std::uint64_t product = 1;
  for (const std::uint64_t dimension : config.integers(key, 1, max_dimension)) {
    if (product > max_layer_parameters / dimension) {
      refuse_parameters(config, key);
    }
    product *= dimension;
  }
  return product;
}

/// An object of matrices by name, each an array of its dimensions: their parameters together.
std::uint64_t weights_parameters(ConfigObject& config) {
  ConfigObject weights = config.object("weights");
  std::uint64_t sum = 0;
  for (const std::string& key : weights.keys()) {
    sum += shape_parameters(weights, key);
    if (sum > max_layer_parameters) {
      refuse_parameters(weights, key);
    }
  }
  return sum;
}

std::uint32_t optional_count(ConfigObject& config, std::string_view key, std::uint64_t most) {
  return config.has(key) ? static_cast<std::uint32_t>(config.integer(key, 1, most)) : 0;
}

/// The layers of a range: "7", "0-2" (both included) or "2-74/4" (every fourth, from the first). Nothing if it is none.
std::vector<std::size_t> parse_range(std::string_view text, std::size_t layers) {
  const std::size_t slash = text.find('/');
  const auto step =
      slash == std::string_view::npos ? std::optional<std::size_t>(1) : number_of<std::size_t>(text.substr(slash + 1));
  const std::string_view ends = text.substr(0, slash);
  const std::size_t dash = ends.find('-');
  const auto first = number_of<std::size_t>(ends.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number_of<std::size_t>(ends.substr(dash + 1));
  std::vector<std::size_t> range;
  if (first && last && step && *step != 0 && *step <= layers && *last < layers) {
    for (std::size_t layer = *first; layer <= *last; layer += *step) {
      range.push_back(layer);
    }
  }
  return range;
}

/// Says for each layer which of the groups it belongs to: each group's "layers", or what no other names.
class Groups {
 public:
  Groups(ConfigObject& config, std::string_view key, std::size_t layers)
      : where_(fmt::format("{}: /{}", config.where(), key)), groups_(config.objects(key)), of_layer_(layers) {
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      groups_[i].has("layers") ? claim_named(i) : claim_rest(i);
    }
    for (std::size_t layer = 0; layer < layers; ++layer) {
      if (!of_layer_[layer] && !rest_) {
        throw ConfigError(where_, "layer {} belongs to no group; a group without \"layers\" has all that are left",
                          layer);
      }
    }
  }

  std::vector<ConfigObject>& groups() { return groups_; }
  std::size_t group_of(std::size_t layer) const { return of_layer_[layer] ? *of_layer_[layer] : rest_.value(); }

 private:
  void claim_named(std::size_t group) {
    const std::string text = groups_[group].text("layers");
    const std::string where = groups_[group].where() + "/layers";
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find(',', at), text.size());
      const auto range = parse_range(std::string_view(text).substr(at, end - at), of_layer_.size());
      if (range.empty()) {
        throw ConfigError(where, "expected layers from 0 to {}, like \"0,1,2-74/4\", found \"{}\"",
                          of_layer_.size() - 1, text);
      }
      for (const std::size_t layer : range) {
        if (of_layer_[layer]) {
          throw ConfigError(where, "layer {} is named twice", layer);
        }
        of_layer_[layer] = group;
      }
      at = end + 1;
    }
  }

  void claim_rest(std::size_t group) {
    if (rest_) {
      throw ConfigError(where_, "expected at most one group without \"layers\", found two");
    }
    rest_ = group;
  }

  std::string where_;
  std::vector<ConfigObject> groups_;
  std::vector<std::optional<std::size_t>> of_layer_;
  std::optional<std::size_t> rest_;
};

Indexer read_indexer(ConfigObject config) {
  Indexer indexer;
  indexer.heads = config.integer("heads", 1, 10'000);
  indexer.dim = config.integer("dim", 1, 100'000);
  indexer.key_bytes = config.integer("key_bytes", 1, max_entry_bytes);
  indexer.unit_tokens = optional_count(config, "unit_tokens", max_tokens);
  indexer.parameters = weights_parameters(config);
  config.refuse_unread();
  return indexer;
}

LatentAttention read_latent(ConfigObject config, const ModelLayer& layer) {
  constexpr std::uint64_t most = 1'000'000;
  LatentAttention latent;
  latent.hidden = config.integer("hidden", 1, most);
  latent.heads = static_cast<std::uint32_t>(config.integer("heads", 1, most));
  latent.query_rank = config.integer("query_rank", 1, most);
  latent.rank = config.integer("rank", 1, most);
  latent.rope = config.integer("rope", 1, most);
  latent.nope = config.integer("nope", 1, most);
  latent.value = config.integer("value", 1, most);
  if (latent.parameters() != layer.attention_parameters) {
    throw ConfigError(config.where(), "these shapes have {} parameters, and \"weights\" {}", latent.parameters(),
                      layer.attention_parameters);
  }
  config.refuse_unread();
  return latent;
}

/// Linear attention, that has a state and no KV.
void read_state(ConfigObject& config, ModelLayer& layer) {
  layer.is_recurrent = true;
  layer.entry_bytes = config.integer("state_bytes", 1, max_entry_bytes);
  layer.entry_flops = config.integer("state_flops", 1, max_entry_flops);
  layer.kv_heads = static_cast<std::uint32_t>(config.integer("heads", 1, 10'000));
  layer.window_tokens = 1;
  config.refuse_unread();
}

void read_attention(ConfigObject& config, ModelLayer& layer) {
  const auto flag = [&](std::string_view key) { return config.has(key) && config.flag(key); };
  layer.attention_parameters = weights_parameters(config);
  if (config.has("state_bytes")) {
    read_state(config, layer);
    return;
  }
  layer.entry_bytes = config.integer("entry_bytes", 1, max_entry_bytes);
  layer.entry_flops = config.integer("entry_flops", 1, max_entry_flops);
  layer.kv_heads = static_cast<std::uint32_t>(config.integer("kv_heads", 1, 10'000));
  layer.window_tokens = optional_count(config, "window_tokens", max_tokens);
  layer.unit_tokens = optional_count(config, "unit_tokens", max_tokens);
  layer.top_k = optional_count(config, "top_k", max_tokens);
  layer.owns_indexer = flag("owns_indexer");
  layer.shares_kv = flag("shares_kv");
  layer.most_keys = optional_count(config, "most_keys", max_tokens);
  layer.selecting_heads = std::max(optional_count(config, "selecting_heads", layer.kv_heads), 1U);
  if (config.has("latent")) {
    layer.latent = read_latent(config.object("latent"), layer);
  }
  if (layer.window_tokens == 0 && layer.unit_tokens == 0) {
    throw ConfigError(config.where(), "expected \"unit_tokens\", \"window_tokens\" or both, found neither");
  }
  if (layer.top_k != 0 && layer.unit_tokens == 0) {
    throw ConfigError(config.where(), "\"top_k\" needs \"unit_tokens\": it selects among the entries of the context");
  }
  if (layer.owns_indexer && layer.top_k == 0) {
    throw ConfigError(config.where(), "\"owns_indexer\" needs \"top_k\"");
  }
  if (layer.most_keys != 0 && !layer.owns_indexer) {
    throw ConfigError(config.where(), "\"most_keys\" needs \"owns_indexer\"");
  }
  if (layer.selecting_heads != 1 && (layer.top_k == 0 || layer.selecting_heads != layer.kv_heads)) {
    throw ConfigError(config.where(),
                      "\"selecting_heads\": expected the {} of \"kv_heads\" in a layer with \"top_k\", found {}",
                      layer.kv_heads, layer.selecting_heads);
  }
  config.refuse_unread();
}

void read_ffn(ConfigObject& config, ModelLayer& layer) {
  layer.ffn_parameters = weights_parameters(config);
  if (config.has("experts")) {
    ConfigObject experts = config.object("experts");
    layer.experts = static_cast<std::uint32_t>(experts.integer("count", 1, max_experts));
    layer.active_experts = static_cast<std::uint32_t>(experts.integer("active", 1, layer.experts));
    layer.expert_parameters = weights_parameters(experts);
    if (layer.expert_parameters > max_layer_parameters / layer.experts) {
      refuse_parameters(experts, "weights");
    }
    experts.refuse_unread();
  }
  config.refuse_unread();
}

/// The layers of the model: each the copy of its attention group and of its FFN group.
std::vector<ModelLayer> read_layers(ConfigObject& config) {
  std::vector<ModelLayer> layers(config.integer("layers", 1, max_layers));
  Groups attention(config, "attention", layers.size());
  Groups ffn(config, "ffn", layers.size());
  std::vector<ModelLayer> by_attention(attention.groups().size());
  for (std::size_t i = 0; i < by_attention.size(); ++i) {
    read_attention(attention.groups()[i], by_attention[i]);
  }
  std::vector<ModelLayer> by_ffn(ffn.groups().size());
  for (std::size_t i = 0; i < by_ffn.size(); ++i) {
    read_ffn(ffn.groups()[i], by_ffn[i]);
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const ModelLayer& of_ffn = by_ffn[ffn.group_of(i)];
    layers[i] = by_attention[attention.group_of(i)];
    layers[i].ffn_parameters = of_ffn.ffn_parameters;
    layers[i].experts = of_ffn.experts;
    layers[i].active_experts = of_ffn.active_experts;
    layers[i].expert_parameters = of_ffn.expert_parameters;
  }
  return layers;
}

/// Every selection comes from an indexer: the layer's own, or that of an earlier layer. So does KV that is shared, and
/// its entries are the owner's.
void check_selections(const Model& model, const std::string& where) {
  bool has_owner = false;
  const ModelLayer* store = nullptr;
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const ModelLayer& layer = model.layers[i];
    has_owner = has_owner || layer.owns_indexer;
    if (layer.top_k != 0 && !has_owner) {
      throw ConfigError(where, "/attention: layer {} has \"top_k\", but no layer up to it has \"owns_indexer\"", i);
    }
    if (layer.shares_kv && (store == nullptr || store->unit_tokens != layer.unit_tokens ||
                            store->entry_bytes != layer.entry_bytes || store->kv_heads != layer.kv_heads)) {
      throw ConfigError(where,
                        "/attention: layer {} has \"shares_kv\", and the layer before it that keeps entries of the "
                        "context has others, or there is none",
                        i);
    }
    store = layer.unit_tokens != 0 && !layer.shares_kv ? &layer : store;
  }
  if (has_owner != model.has_indexer()) {
    throw ConfigError(where, "expected both \"indexer\" and a layer with \"owns_indexer\", or neither, found only {}",
                      has_owner ? "a layer" : "\"indexer\"");
  }
}

WeightBytes read_weight_bytes(ConfigObject config) {
  const auto read = [&](std::string_view key) { return config.number(key, 0.001, 16); };
  WeightBytes bytes;
  bytes.attention = read("attention");
  bytes.ffn = read("ffn");
  bytes.experts = read("experts");
  bytes.head = read("head");
  config.refuse_unread();
  return bytes;
}

Arithmetic read_type(ConfigObject& config, std::string_view key) {
  const std::string text = config.text(key);
  const auto* found = std::find_if(arithmetic_names.begin(), arithmetic_names.end(),
                                   [&](const auto& name) { return name.first == text; });
  if (found == arithmetic_names.end()) {
    throw ConfigError(config.where(), "{}: expected bf16, fp8 or fp4, found \"{}\"", key, text);
  }
  return found->second;
}

ModelArithmetic read_arithmetic(ConfigObject config) {
  ModelArithmetic arithmetic;
  arithmetic.linear = read_type(config, "linear");
  arithmetic.attention = read_type(config, "attention");
  arithmetic.indexer = config.has("indexer") ? read_type(config, "indexer") : arithmetic.linear;
  config.refuse_unread();
  return arithmetic;
}

/// Whether a file is meant as a configuration of ours, be it a wrong one.
bool is_ours(const Checkpoint::Json& document) {
  constexpr std::array keys = {"layers", "attention", "ffn", "indexer", "weight_bytes", "description"};
  return document.is_object() &&
         std::any_of(keys.begin(), keys.end(), [&](const char* key) { return document.contains(key); });
}

}  // namespace

Model read_model(ConfigObject config) {
  Model model;
  model.description = config.text("description");
  model.source = config.text("source");
  model.assumed = config.has("assumed") ? config.text("assumed") : "";
  model.layers = read_layers(config);
  if (config.has("indexer")) {
    model.indexer = read_indexer(config.object("indexer"));
  }
  check_selections(model, config.where());
  // A tied embedding is the head.
  model.embedding_parameters = config.has("embedding") ? shape_parameters(config, "embedding") : 0;
  model.head_parameters = shape_parameters(config, "head");
  model.weight_bytes = read_weight_bytes(config.object("weight_bytes"));
  model.arithmetic = read_arithmetic(config.object("arithmetic"));
  config.refuse_unread();
  return model;
}

ModelFile open_model(const std::string& name) {
  ModelFile file{.name = name};
  if (!is_config_file(name)) {
    file.config = named_config("`model`", "models", name);
    return file;
  }
  const std::string text = read_text(name, max_config_bytes);
  const Checkpoint::Json document = Checkpoint::parse(name, text);
  if (Checkpoint::recognises(document)) {
    file.checkpoint.emplace(name, document);
  } else if (is_ours(document)) {
    file.config = ConfigObject::parse(name, text);
  } else {
    throw ConfigError(
        name,
        "is no model: neither an object with \"layers\", \"attention\", \"ffn\" ... (docs/roofline.md) nor "
        "a checkpoint's config.json (Hugging Face) with \"model_type\", \"num_hidden_layers\" ...");
  }
  return file;
}

Model model_of(const ModelFile& file) {
  if (file.checkpoint) {
    return model_of(*file.checkpoint);
  }
  Model model = read_model(file.config.value());
  model.name = config_title(file.name);
  return model;
}

Model load_model(const std::string& name) {
  return model_of(open_model(name));
}

}  // namespace dsasim
