// Which layers of a checkpoint select, and whose index they use: what transformers, vLLM and SGLang make of the keys.
#include "config/json_document.hpp"
#include "dsasim/error.hpp"
#include "model/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace dsasim {
namespace {

using Flags = std::vector<bool>;  ///< of each layer

constexpr std::uint64_t most_layers = std::uint64_t{1} << 30U;  ///< that a period or an offset can be
constexpr std::uint64_t most_top_k = std::uint64_t{1} << 30U;
constexpr std::uint64_t most_unit_tokens = 1024;
constexpr std::uint64_t most_entry_bytes = std::uint64_t{1} << 30U;

constexpr std::array sparse_types = {std::string_view("deepseek_sparse_attention"),
                                     std::string_view("indexed_attention"),
                                     std::string_view("compressed_sparse_attention"),
                                     std::string_view("qwen_sparse_attention"), std::string_view("minimax_m3_sparse")};
constexpr std::array other_types = {std::string_view("full_attention"), std::string_view("linear_attention"),
                                    std::string_view("sliding_attention"), std::string_view("chunked_attention"),
                                    std::string_view("heavily_compressed_attention")};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// What one key says of each layer.
struct Said {
  std::string_view key;
  Flags flags;
};

/// Reads one checkpoint.
class SelectionKeys {
 public:
  explicit SelectionKeys(const Checkpoint& checkpoint)
      : checkpoint_(checkpoint), layers_(checkpoint.layer_count()), type_(checkpoint.model_type()) {}

  Selections read() {
    selects_ = find_selecting();
    if (std::find(selects_.begin(), selects_.end(), true) == selects_.end()) {
      refuse("none of its {} layers selects", layers_);
    }
    const Flags computes = find_computing();
    Selections out;
    out.model = type_.empty() ? "checkpoint" : type_;
    std::optional<std::uint32_t> owner;
    for (std::size_t layer = 0; layer < layers_; ++layer) {
      if (selects_[layer] && computes[layer]) {
        owner = static_cast<std::uint32_t>(layer);
      }
      if (selects_[layer] && !owner) {
        refuse("layer {} uses the index of a layer before it, and none before it computes one", layer);
      }
      out.owner_of.push_back(selects_[layer] ? owner : std::nullopt);
    }
    const std::vector<std::uint64_t> units = find_units();
    const auto first = static_cast<std::size_t>(std::find(selects_.begin(), selects_.end(), true) - selects_.begin());
    out.unit_tokens = static_cast<std::uint32_t>(units[first]);
    out.top_k = find_top_k(out.unit_tokens);
    out.heads = find_heads();
    out.entry_bytes = entry_bytes_of(checkpoint_, out.unit_tokens);
    out.stores = find_stores(units);
    for (const std::optional<LayerStore>& store : out.stores) {
      if (store && store->entry_bytes > most_entry_bytes) {
        refuse("its entries would have {} bytes, expected at most {}", store->entry_bytes, most_entry_bytes);
      }
    }
    drop_plain_stores(out);
    return out;
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> what, Args&&... args) const {
    throw ConfigError(checkpoint_.path(), "{}", fmt::format(what, std::forward<Args>(args)...));
  }

  bool is_qwen() const { return type_.starts_with("qwen4_exp"); }

  // ---- which layers select ----

  Flags find_selecting() const {
    std::vector<Said> said;
    if (checkpoint_.has("compress_ratios")) {
      said.push_back(by_ratio());
    }
    if (checkpoint_.has("layer_types")) {
      said.push_back(by_layer_type());
    } else if (is_qwen()) {
      said.push_back(by_interval());
    }
    if (const auto sparse = checkpoint_.object("sparse_attention_config")) {
      said.push_back(by_sparse_frequency(*sparse));
    }
    if (!said.empty()) {
      return agreed(said, Flags(layers_, true), "one that selects", "one that does not");
    }
    const bool all_select = type_ == "deepseek_v32" || type_ == "glm_moe_dsa" ||
                            (type_ == "deepseek_v3" && checkpoint_.has("index_topk")) ||
                            checkpoint_.has("indexer_types") || checkpoint_.has("index_topk_pattern") ||
                            checkpoint_.has("index_topk_freq");
    if (!all_select) {
      refuse(
          "no key says which layers select: none of layer_types, compress_ratios, sparse_attention_config, "
          "indexer_types, index_topk_pattern and index_topk_freq, nor a model_type whose layers all do (deepseek_v32, "
          "glm_moe_dsa); `layer_map` takes a list of owners");
    }
    Flags all(layers_, true);  // not braces, which would be a list of two
    return all;
  }

  /// DeepSeek-V4: the indexer selects among entries of 4 tokens; of 0 or 1 there is a window alone, of 128 all entries
  /// are read. V4.1 names the layers that compute an index, and all that compress use one.
  Said by_ratio() const {
    const bool named = checkpoint_.has("index_source_layer_ids");
    Said out{.key = "compress_ratios", .flags = {}};
    for (const std::uint64_t ratio : checkpoint_.numbers(out.key, layers_)) {
      constexpr std::uint64_t selected = 4;
      constexpr std::uint64_t all = 128;
      if (!named && ratio > 1 && ratio != selected && ratio != all) {
        refuse(
            "\"{}\": layer {} has entries of {} tokens; of which it is known whether they are selected from: 4 and "
            "128",
            out.key, out.flags.size(), ratio);
      }
      out.flags.push_back(named ? ratio != 0 : ratio == selected);
    }
    return out;
  }

  Said by_layer_type() const {
    Said out{.key = "layer_types", .flags = {}};
    for (const std::string& type : checkpoint_.words(out.key, layers_)) {
      // Checkpoints of Qwen say full_attention where transformers reads qwen_sparse_attention.
      const bool sparse = is_one_of(sparse_types, type) || (is_qwen() && type == "full_attention");
      if (!sparse && !is_one_of(other_types, type)) {
        refuse("\"{}\": layer {} is \"{}\", of which it is not known whether it selects; known: {}, {}", out.key,
               out.flags.size(), printable_message(type), fmt::join(sparse_types, ", "), fmt::join(other_types, ", "));
      }
      out.flags.push_back(sparse);
    }
    return out;
  }

  Said by_interval() const {
    Said out{.key = "full_attention_interval", .flags = Flags(layers_)};
    const std::uint64_t interval = checkpoint_.number(out.key, 1, layers_).value_or(4);
    for (std::size_t layer = 0; layer < layers_; ++layer) {
      out.flags[layer] = (layer + 1) % interval == 0;
    }
    return out;
  }

  Said by_sparse_frequency(const Checkpoint& sparse) const {
    Said out{.key = "sparse_attention_freq", .flags = Flags(layers_)};
    const auto* const used = sparse.find("use_sparse_attention");
    if (used != nullptr && *used == false) {
      return out;
    }
    if (!sparse.has(out.key)) {
      refuse("\"sparse_attention_config\" has no \"{}\"", out.key);
    }
    const std::vector<std::uint64_t> frequency = sparse.numbers(out.key, layers_);
    std::transform(frequency.begin(), frequency.end(), out.flags.begin(), [](std::uint64_t flag) { return flag != 0; });
    return out;
  }

  // ---- which of them compute an index ----

  Flags find_computing() const {
    std::vector<Said> said;
    if (checkpoint_.has("indexer_types")) {
      said.push_back(by_indexer_type());
    }
    if (checkpoint_.has("index_topk_pattern")) {
      said.push_back(by_pattern());
    }
    if (frequency() > 1) {
      said.push_back(by_frequency());
    }
    if (checkpoint_.has("index_source_layer_ids")) {
      said.push_back({.key = "index_source_layer_ids", .flags = named_layers("index_source_layer_ids")});
    }
    return said.empty() ? Flags(layers_, true) : agreed(said, selects_, "full", "shared");
  }

  Said by_indexer_type() const {
    Said out{.key = "indexer_types", .flags = {}};
    for (const std::string& type : checkpoint_.words(out.key, layers_)) {
      out.flags.push_back(is_full(out.key, out.flags.size(), type));
    }
    return out;
  }

  bool is_full(std::string_view key, std::size_t layer, std::string_view type) const {
    if (type != "full" && type != "shared" && type != "F" && type != "S") {
      refuse("\"{}\": layer {} is \"{}\", expected \"full\" (F) or \"shared\" (S)", key, layer,
             printable_message(type));
    }
    return type == "full" || type == "F";
  }

  /// A text of F and S, or an array of words; layers behind its end are full.
  Said by_pattern() const {
    Said out{.key = "index_topk_pattern", .flags = {}};
    const auto& pattern = *checkpoint_.find(out.key);
    std::vector<std::string> words;
    if (pattern.is_string()) {
      for (const char letter : std::string_view(pattern.get_ref<const std::string&>()).substr(0, layers_)) {
        words.emplace_back(1, letter);
      }
    } else {
      words = checkpoint_.words(out.key, std::min(layers_, pattern.is_array() ? pattern.size() : 0));
    }
    for (const std::string& word : words) {
      out.flags.push_back(is_full(out.key, out.flags.size(), word));
    }
    out.flags.resize(layers_, true);
    return out;
  }

  /// 1, which says nothing, is what transformers has for none.
  std::uint64_t frequency() const { return checkpoint_.number("index_topk_freq", 1, most_layers).value_or(1); }

  Said by_frequency() const {
    Said out{.key = "index_topk_freq", .flags = Flags(layers_)};
    constexpr std::uint64_t default_offset = 2;
    const std::uint64_t frequency = this->frequency();
    const std::uint64_t offset = checkpoint_.number("index_skip_topk_offset", 1, most_layers).value_or(default_offset);
    const auto* const used = checkpoint_.find("use_index_cache");
    if (used != nullptr && *used == false) {
      refuse("\"{}\" is {}, and \"use_index_cache\" false; `layer_map` takes a list of owners", out.key, frequency);
    }
    if (std::find(selects_.begin(), selects_.end(), false) != selects_.end()) {
      refuse(
          "\"{}\" is {} in a model whose layers do not all select, which is not supported yet; `layer_map` takes a "
          "list of owners",
          out.key, frequency);
    }
    for (std::size_t layer = 0; layer < layers_; ++layer) {
      out.flags[layer] = (layer + 1 < offset ? 0 : layer + 1 - offset) % frequency == 0;
    }
    return out;
  }

  /// An array of numbers of layers.
  Flags named_layers(std::string_view key) const {
    const std::size_t count = checkpoint_.find(key)->is_array() ? checkpoint_.find(key)->size() : 0;
    if (count > layers_) {
      refuse("\"{}\" names {} layers of {}", key, count, layers_);
    }
    Flags flags(layers_);
    for (const std::uint64_t layer : checkpoint_.numbers(key, count)) {
      if (layer >= layers_) {
        refuse("\"{}\" names layer {} of {} layers", key, layer, layers_);
      }
      flags[layer] = true;
    }
    return flags;
  }

  /// What all keys say, in the layers `of` which they matter.
  Flags agreed(const std::vector<Said>& said, const Flags& of, std::string_view yes, std::string_view no) const {
    for (const Said& other : said) {
      for (std::size_t layer = 0; layer < layers_; ++layer) {
        const bool first = said.front().flags[layer];
        if (of[layer] && other.flags[layer] != first) {
          refuse("\"{}\" makes layer {} {}, \"{}\" makes it {}; `layer_map` takes a list of owners", said.front().key,
                 layer, first ? yes : no, other.key, first ? no : yes);
        }
      }
    }
    return said.front().flags;
  }

  // ---- what they select ----

  /// The tokens of an entry of each layer that selects.
  std::vector<std::uint64_t> find_units() const {
    if (!checkpoint_.has("compress_ratios")) {
      std::vector<std::uint64_t> alike(layers_, find_unit());
      return alike;
    }
    std::vector<std::uint64_t> units = checkpoint_.numbers("compress_ratios", layers_);
    for (std::size_t layer = 0; layer < layers_; ++layer) {
      if (selects_[layer] && units[layer] > most_unit_tokens) {
        refuse("its layers select entries of {} tokens, expected at most {}", units[layer], most_unit_tokens);
      }
    }
    return units;
  }

  std::uint64_t find_unit() const {
    std::uint64_t unit = 1;
    if (const auto rates = checkpoint_.object("compress_rates")) {
      unit = rates->number("compressed_sparse_attention", 1, most_unit_tokens).value_or(4);
    } else if (const auto sparse = checkpoint_.object("sparse_attention_config")) {
      unit = sparse->number("sparse_block_size", 1, most_unit_tokens).value_or(128);
    } else if (checkpoint_.has("index_block_size")) {
      unit = *checkpoint_.number("index_block_size", 1, most_unit_tokens);
    } else if (is_qwen()) {
      unit = checkpoint_.number("indexer_compress_ratio", 1, most_unit_tokens).value_or(4);
    }
    return unit;
  }

  std::optional<std::uint32_t> find_top_k(std::uint32_t unit) const {
    std::optional<std::uint64_t> top_k = checkpoint_.number("index_topk", 1, most_top_k);
    if (const auto sparse = checkpoint_.object("sparse_attention_config")) {
      top_k = sparse->number("sparse_topk_blocks", 1, most_top_k);
    } else if (checkpoint_.has("index_topk_blocks")) {
      top_k = checkpoint_.number("index_topk_blocks", 1, most_top_k);
    } else if (is_qwen()) {
      top_k = checkpoint_.number("indexer_budget", unit, most_top_k);
      top_k = top_k ? std::optional(*top_k / unit) : std::nullopt;
    }
    return top_k ? std::optional(static_cast<std::uint32_t>(*top_k)) : std::nullopt;
  }

  /// MiniMax-M3: each KV head selects for itself.
  std::uint32_t find_heads() const {
    constexpr std::uint64_t most_heads = 1024;
    std::optional<std::uint64_t> heads;
    if (const auto sparse = checkpoint_.object("sparse_attention_config")) {
      heads = sparse->number("sparse_num_index_heads", 1, most_heads);
    } else if (checkpoint_.has("index_topk_blocks")) {
      heads = checkpoint_.number("index_n_heads", 1, most_heads);
    }
    return static_cast<std::uint32_t>(heads.value_or(1));
  }

  /// Of each layer that selects: its own, or that of the last before it that is a source (DeepSeek-V4.1).
  std::vector<std::optional<LayerStore>> find_stores(const std::vector<std::uint64_t>& units) const {
    constexpr std::string_view key = "kv_source_layer_ids";
    const Flags sources = checkpoint_.has(key) ? named_layers(key) : Flags(layers_, true);
    std::vector<std::optional<LayerStore>> stores(layers_);
    std::optional<std::uint32_t> owner;
    for (std::size_t layer = 0; layer < layers_; ++layer) {
      if (!selects_[layer]) {
        continue;
      }
      owner = sources[layer] ? std::optional(static_cast<std::uint32_t>(layer)) : owner;
      if (!owner) {
        refuse("layer {} reads the KV of a layer before it ({}), and none before it has any", layer, key);
      }
      if (units[layer] != units[*owner]) {
        refuse("layer {} selects entries of {} tokens from the KV of layer {}, whose entries are of {}", layer,
               units[layer], *owner, units[*owner]);
      }
      stores[layer] = LayerStore{.owner = *owner,
                                 .unit_tokens = static_cast<std::uint32_t>(units[layer]),
                                 .entry_bytes = entry_bytes_of(checkpoint_, units[layer])};
    }
    return stores;
  }

  const Checkpoint& checkpoint_;
  std::size_t layers_;
  std::string type_;
  Flags selects_;
};

}  // namespace

Selections selections_of(const Checkpoint& checkpoint) {
  return SelectionKeys(checkpoint).read();
}

}  // namespace dsasim
