#pragma once

#include "dsasim/config/config_object.hpp"
#include "dsasim/model/gpu.hpp"
#include "dsasim/model/latent_attention.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dsasim {

/// Bytes of a stored weight. Fractions stand for formats with a scale per block: MXFP4 is 4 bits, and 8 for 32 of them.
struct WeightBytes {
  double attention = 0;  ///< projections of attention and indexer
  double ffn = 0;        ///< what every token passes: dense layers, shared experts, routers
  double experts = 0;    ///< routed experts
  double head = 0;       ///< embedding and head
};

/// What the parts of a decode step multiply in.
struct ModelArithmetic {
  Arithmetic linear = Arithmetic::bf16;
  Arithmetic attention = Arithmetic::bf16;
  Arithmetic indexer = Arithmetic::bf16;
};

/// The indexer of each layer that owns one. It scores every key of the context, at every step.
struct Indexer {
  std::uint64_t heads = 0;
  std::uint64_t dim = 0;
  std::uint64_t key_bytes = 0;    ///< of a key, scales included
  std::uint32_t unit_tokens = 0;  ///< tokens of a key; 0: those of an entry of its layer
  std::uint64_t parameters = 0;   ///< its projections
};

/// One hidden layer. Parameters are those of weight matrices; norms and biases, some thousandths, are left out.
struct ModelLayer {
  std::uint64_t attention_parameters = 0;  ///< without the indexer
  std::uint64_t entry_bytes = 0;           ///< of a KV entry: all heads, keys and values, scales included
  std::uint64_t entry_flops = 0;           ///< of one query token's attention to one entry: 2 a multiply-add, all heads
  std::uint32_t kv_heads = 0;              ///< rows that tensor parallelism can share out; 1 for latent attention
  std::uint32_t window_tokens = 0;         ///< the newest tokens, an entry each, that are always read; 0 for none
  std::uint32_t unit_tokens = 0;           ///< tokens of an entry of the whole context; 0: sees its window alone
  std::uint32_t top_k = 0;                 ///< entries of the context that its indexer selects; 0 for all
  std::uint32_t selecting_heads = 1;       ///< KV heads that each select top_k entries for themselves; 1: all together
  std::uint32_t most_keys = 0;             ///< keys that its indexer scores at most, where another chose them; 0: all
  bool shares_kv = false;                  ///< keeps its window alone; entries and keys are those of a layer before it
  bool is_recurrent = false;               ///< linear attention: one entry, its state, whatever the context
  bool owns_indexer = false;               ///< with top_k and without an indexer, it shares that of an earlier layer
  std::optional<LatentAttention> latent = {};  ///< the shape of multi-head latent attention; none: other attention

  std::uint64_t ffn_parameters = 0;     ///< of every token: dense, or shared expert and router
  std::uint32_t experts = 0;            ///< routed experts; 0 in a dense layer
  std::uint32_t active_experts = 0;     ///< of a token
  std::uint64_t expert_parameters = 0;  ///< of one routed expert
};

/// Which entries attention reads.
enum class Attention : std::uint8_t {
  full,    ///< the whole context in every layer, sliding windows ignored
  dense,   ///< the whole context, in layers that have a window only this
  sparse,  ///< as dense, but top-k where there is an indexer
};
inline constexpr std::array attention_names = {ChoiceName<Attention>{"full", Attention::full},
                                               ChoiceName<Attention>{"dense", Attention::dense},
                                               ChoiceName<Attention>{"sparse", Attention::sparse}};

/// A model for decoding, as configs/models/ describes it: bytes and flops of a step, from shapes alone. `layer` counts
/// all hidden layers from 0. Draft (MTP) layers and vision encoders are left out.
struct Model {
  std::string name;
  std::string description;
  std::string source;
  std::string assumed;  ///< what the source does not say; empty if nothing
  std::vector<ModelLayer> layers;
  Indexer indexer;                         ///< zeros without one
  std::uint64_t embedding_parameters = 0;  ///< stored; a step reads a row of it a token, which is not counted
  std::uint64_t head_parameters = 0;
  WeightBytes weight_bytes;
  ModelArithmetic arithmetic;

  bool has_indexer() const noexcept { return indexer.heads != 0; }
  /// In ascending order.
  std::vector<std::uint32_t> indexer_layers() const;

  std::uint64_t parameters() const noexcept;
  /// That a token is multiplied with: the embedding is not among them.
  std::uint64_t active_parameters() const noexcept;

  /// Bytes that a step of `batch` tokens reads of a layer's weights, each once. Of the routed experts, the number that
  /// the batch is expected to name: see expected_experts.
  double layer_weight_bytes(std::size_t layer, std::uint64_t batch) const noexcept;
  double head_weight_bytes() const noexcept;
  /// All that is kept in memory, the embedding too.
  double stored_weight_bytes() const noexcept;

  /// Of a layer's projections, indexer, FFN, for one token: two for each weight that it is multiplied with.
  double linear_flops_per_token(std::size_t layer) const noexcept;
  double head_flops_per_token() const noexcept;

  /// KV entries that a layer keeps of a context of so many tokens: whole units, and its window. With `full`, all tokens
  /// of a layer that has a window alone.
  std::uint64_t stored_entries(std::size_t layer, std::uint64_t context_tokens,
                               Attention attention = Attention::dense) const noexcept;
  /// KV entries that a query token reads.
  std::uint64_t read_entries(std::size_t layer, std::uint64_t context_tokens, Attention attention) const noexcept;
  /// Of one query token that attends to so many entries.
  double attention_flops(std::size_t layer, std::uint64_t entries) const noexcept;

  /// Keys that the indexer of a layer scores for a query token; 0 in layers that own none.
  std::uint64_t scored_keys(std::size_t layer, std::uint64_t context_tokens) const noexcept;
  /// Keys that a layer keeps; 0 also in layers that share the KV of another, whose keys are beside it.
  std::uint64_t stored_keys(std::size_t layer, std::uint64_t context_tokens) const noexcept;
  /// Of one query token's scan of these keys. The scan costs 2 x heads x dim a key; the
  /// weighted sum over heads, one part in `dim`, is left out.
  double indexer_flops(std::size_t layer, std::uint64_t context_tokens) const noexcept;
  std::uint64_t indexer_key_bytes(std::size_t layer, std::uint64_t context_tokens) const noexcept;

  /// By which a long context grows with a token, over all layers, without the indexer's keys.
  double kv_bytes_per_token() const noexcept;
};

/// How many of `experts` a batch is expected to name when each token chooses `active` of them independently and evenly:
/// E (1 - (1 - a/E)^B). Real routers are less even, which makes it fewer. The power is taken by multiplication: the
/// same on every machine.
double expected_experts(std::uint32_t experts, std::uint32_t active, std::uint64_t batch) noexcept;

/// One of configs/models/, or a file of the user's (named_config): docs/roofline.md describes the keys. A checkpoint's
/// config.json is one too, if shapes follow from its type of model. Throws ConfigError.
Model load_model(const std::string& name);
/// What load_model makes of a configuration; every key must be known.
Model read_model(ConfigObject config);

}  // namespace dsasim
