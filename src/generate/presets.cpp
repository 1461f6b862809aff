// A preset is a row of the list below, and a test of what it is said to give.

#include "dsasim/generate/preset.hpp"

#include "dsasim/error.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

namespace dsasim {
namespace {

constexpr LayerInfo every_layer(std::uint32_t index) noexcept {
  return {.model_layer = index, .group_size = 1};
}

/// GLM-5.2: 0, 1, 2, 6, 10, ..., 74 own an index; the three layers after each from 2 on share it.
constexpr LayerInfo glm_5_2_layer(std::uint32_t index) noexcept {
  return index < 2 ? every_layer(index) : LayerInfo{.model_layer = 2 + 4 * (index - 2), .group_size = 4};
}

/// DeepSeek-V4-Flash: the even layers from 2 on.
constexpr LayerInfo v4_layer(std::uint32_t index) noexcept {
  return {.model_layer = 2 + 2 * index, .group_size = 1};
}

/// DeepSeek-V4.1-Flash: eight layers own an index; those from 20 on read the KV store of layer 20.
constexpr LayerInfo v4_1_layer(std::uint32_t index) noexcept {
  return index < 3 ? LayerInfo{.model_layer = 2 + 6 * index, .group_size = 6}
                   : LayerInfo{.model_layer = 20 + 4 * (index - 3), .group_size = 4};
}
constexpr StoreInfo v4_1_store(std::uint32_t index) noexcept {
  return {.kv_owner = index < 3 ? index : 3, .kv_rows = 1, .unit_tokens = index < 3 ? 2U : 1U, .entry_bytes = 288};
}

/// Qwen3.8-Flash-Next: every fourth layer attends.
constexpr LayerInfo qwen3_8_layer(std::uint32_t index) noexcept {
  return {.model_layer = 3 + 4 * index, .group_size = 1};
}

/// MiniMax-M3: layers from 3 on, in which each of four KV heads selects for itself.
constexpr LayerInfo m3_layer(std::uint32_t index) noexcept {
  return {.model_layer = 3 + index / 4, .group_size = 1};
}

/// leave-decay and come-back-decay were searched for; leave is as large as the search needed it to be.
constexpr PresetStatistics glm_statistics = {.leave = 0.9, .leave_decay = 0.45, .come_back_decay = 0.714};

constexpr PresetStatistics v4_statistics = {.leave = 0.902253, .come_back_decay = 0.7042, .first = 0.406927};

constexpr std::array all_presets = {
    Preset{.name = "levy",
           .sentence = "The captures of arXiv 2603.13430: Llama 3 with a retrofitted indexer",
           .fitted = "Table 3: mean, P95 and deviation of its five metrics",
           .predicts =
               "page utilisation, and misses it: 0.146 in pages of 16 tokens, published 0.35 (page size not stated)",
           .model = "Llama-3.1-8B, synthetic",
           .shape = {.layers = 16, .top_k = 128, .steps = 200, .prompt_tokens = 940, .requests = 1},
           .unit_tokens = 1,
           .entry_bytes = 4096,
           .layer = every_layer,
           .statistics = {.leave = 0.8659,
                          .leave_activity = 0.4744,
                          .leave_decay = 0.2064,
                          .leave_first = 1,
                          .leave_first_decay = 0.1628,
                          .leave_initial = 0.3537,
                          .leave_initial_decay = 0.1678,
                          .come_back = 0.6533,
                          .come_back_rare = 0.2263,
                          .come_back_decay = 0.3845,
                          .first = 0.2333,
                          .first_decay = 0.3170,
                          .recent = 0.5481,
                          .sliding = 0.6042,
                          .sinks = 2,
                          .churn = 0.0411,
                          .layer_spread = 0.9046,
                          .layer_sharing = 6.2489,
                          .layer_sharing_spread = 5.2984}},
    Preset{
        .name = "deepseek-v3.2",
        .sentence = "DeepSeek-V3.2, 61 layers",
        .fitted = "overlap of consecutive steps (NVIDIA): 35 to 50% in layers 20 to 60, next to none in layers 0 and 1",
        .predicts = "misses of an LRU pool of 0.2 of the context (ESS): 16.66 to 605 a layer and step",
        .model = "DeepSeek-V3.2, synthetic",
        .shape = {.layers = 61, .top_k = 2048, .steps = 2025, .prompt_tokens = 68665, .requests = 1},
        .unit_tokens = 1,
        .entry_bytes = 656,
        .layer = every_layer,
        .statistics = {.leave = 1, .leave_decay = 0.5, .come_back_decay = 0.2, .layer_spread = 0.12, .flat_layers = 2}},
    Preset{.name = "glm-5.1",
           .sentence = "GLM-5.1, 78 layers, 100K prompt (arXiv 2608.07009)",
           .fitted = "hisparse misses 30% at 1x and 13.4% at 2x",
           .predicts = "at 2x fifo,atomic=step 17.2%, random,atomic=step 16.1%, belady 8.2%; hisparse at 4x 6.7%",
           .model = "GLM-5.1, synthetic",
           .shape = {.layers = 78, .top_k = 2048, .steps = 1799, .prompt_tokens = 100384, .requests = 1},
           .unit_tokens = 1,
           .entry_bytes = 656,
           .layer = every_layer,
           .statistics = glm_statistics},
    Preset{.name = "glm-5.2",
           .sentence = "GLM-5.2: the statistics of glm-5.1, in the 21 of 78 layers that own an index",
           .fitted = "nothing of its own: glm-5.1's figures",
           .predicts = "nothing published",
           .model = "GLM-5.2, synthetic",
           .shape = {.layers = 21, .top_k = 2048, .steps = 1799, .prompt_tokens = 100384, .requests = 1},
           .unit_tokens = 1,
           .entry_bytes = 656,
           .layer = glm_5_2_layer,
           .statistics = glm_statistics},
    Preset{.name = "deepseek-v4-flash",
           .sentence = "DeepSeek-V4-Flash, the 21 layers that select, of entries of 4 tokens",
           .fitted = "lru hits 79.3% at 1,024 entries and 92.5% at 4,096, with --warm prompt-tail",
           .predicts = "lru hits 88.3% at 2,048 entries, 94.8% at 8,192, 97.2% at 16,384, 100% at 32,768",
           .model = "DeepSeek-V4-Flash, synthetic",
           .shape = {.layers = 21, .top_k = 512, .steps = 512, .prompt_tokens = 131072, .requests = 1},
           .unit_tokens = 4,
           .entry_bytes = 584,
           .layer = v4_layer,
           .statistics = v4_statistics},
    Preset{
        .name = "deepseek-v4.1-flash",
        .sentence = "DeepSeek-V4.1-Flash: 8 layers own an index, for 38; 4 KV stores, of entries of 2 tokens and of 1",
        .fitted = "nothing of its own: deepseek-v4-flash's figures, whose entries are of 4 tokens",
        .predicts = "nothing published",
        .model = "DeepSeek-V4.1-Flash, synthetic",
        .shape = {.layers = 8, .top_k = 512, .steps = 512, .prompt_tokens = 131072, .requests = 1},
        .unit_tokens = 2,
        .entry_bytes = 288,
        .layer = v4_1_layer,
        .statistics = v4_statistics,
        .store = v4_1_store},
    Preset{.name = "qwen3.8-flash-next",
           .sentence = "Qwen3.8-Flash-Next, the 12 of 48 layers that select, of blocks of 4 tokens, bf16",
           .fitted = "a private buffer, hisparse, misses 33.564% at 1x and 16.564% at 2x after the first step",
           .predicts = "10.307% at 3x, 7.107% at 4x, 2.414% at 8x",
           .model = "Qwen3.8-Flash-Next, synthetic",
           .shape = {.layers = 12, .top_k = 512, .steps = 767, .prompt_tokens = 38185, .requests = 1},
           .unit_tokens = 4,
           .entry_bytes = 8192,
           .layer = qwen3_8_layer,
           .statistics = {.leave_decay = 0.442354, .come_back_decay = 0.52, .layer_spread = 0.16}},
    Preset{
        .name = "minimax-m3",
        .sentence = "MiniMax-M3: 57 layers of 4 KV heads that select 16 blocks of 128 tokens each, the latest always",
        .fitted = "nothing of its own: the defaults, which are those of traces/k512-req_0.dsat",
        .predicts = "nothing published",
        .model = "MiniMax-M3, synthetic",
        .shape = {.layers = 228, .top_k = 16, .steps = 256, .prompt_tokens = 131072, .requests = 1},
        .unit_tokens = 128,
        .entry_bytes = 65536,
        .layer = m3_layer,
        .statistics = {.sinks = 0, .local = 1},
        .selects_begun = true},
    Preset{.name = "uniform",
           .sentence = "The worst case: every selection is drawn anew, every entry as likely as any",
           .fitted = "nothing",
           .predicts = "a buffer of C of N entries misses 1 - C/N once it is full",
           .model = "uniform, synthetic",
           .shape = {.layers = 61, .top_k = 2048, .steps = 256, .prompt_tokens = 65536, .requests = 1},
           .unit_tokens = 1,
           .entry_bytes = 656,
           .layer = every_layer,
           .statistics = {.sinks = 0, .churn = 0, .layer_spread = 0, .layer_sharing = 1, .flat_layers = 1U << 16U}},
};

using S = PresetStatistics;
constexpr std::array all_statistics = {
    StatisticDescription{"leave", &S::leave, 0, 1,
                         "Probability that an entry that was rarely selected lately leaves after one step"},
    StatisticDescription{"leave-activity", &S::leave_activity, 0, 1,
                         "Part of it that an entry that was always selected is spared"},
    StatisticDescription{"leave-decay", &S::leave_decay, 0, 4, "Exponent of its decay with the steps in the selection"},
    StatisticDescription{"leave-first", &S::leave_first, 0, 1,
                         "The same as --leave for entries selected for the first time"},
    StatisticDescription{"leave-first-decay", &S::leave_first_decay, 0, 4, "Exponent of its decay"},
    StatisticDescription{"leave-initial", &S::leave_initial, 0, 1,
                         "The same as --leave for what the first step selects"},
    StatisticDescription{"leave-initial-decay", &S::leave_initial_decay, 0, 4, "Exponent of its decay"},
    StatisticDescription{"come-back", &S::come_back, 0, 1,
                         "Probability that an entry that was always selected comes back after one step"},
    StatisticDescription{"come-back-rare", &S::come_back_rare, 0, 1,
                         "Part of it for an entry that was rarely selected"},
    StatisticDescription{"come-back-decay", &S::come_back_decay, 0, 4,
                         "Exponent of its decay with the steps since it left"},
    StatisticDescription{"first", &S::first, 0, 1,
                         "First selections of prompt entries at step 1, as a part of the top-k"},
    StatisticDescription{"first-decay", &S::first_decay, 0, 4, "Exponent of its decay with the steps"},
    StatisticDescription{"recent", &S::recent, 0, 1,
                         "Part of the first selections that falls off as 1/distance; the rest is uniform"},
    StatisticDescription{"sliding", &S::sliding, 0, 1, "Probability that the query's own entry is selected at once"},
    StatisticDescription{"sliding-decay", &S::sliding_decay, 0, 8,
                         "Exponent of its decay with the distance from the query"},
    StatisticDescription{"sinks", &S::sinks, 0, 1U << 16U, "Entries at the start that are always selected"},
    StatisticDescription{"local", &S::local, 0, 1U << 16U, "Latest entries that are always selected"},
    StatisticDescription{"churn", &S::churn, 0, 4,
                         "Spread of the entries exchanged from step to step, as a deviation in octaves"},
    StatisticDescription{"collapse-every", &S::collapse_every, 0, 1U << 20U,
                         "Steps from one collapse to the next, on average; 0: none"},
    StatisticDescription{"collapse", &S::collapse, 1, 64,
                         "How many times the entries of another step a collapse exchanges"},
    StatisticDescription{"layer-spread", &S::layer_spread, 0, 8,
                         "Octaves by which layers exchange more or less than their mean"},
    StatisticDescription{"layer-sharing", &S::layer_sharing, 1, 1U << 16U,
                         "How much likelier entries that the layer before selected enter and stay"},
    StatisticDescription{"layer-sharing-spread", &S::layer_sharing_spread, 0, 8,
                         "Octaves by which layers share more or less than that"},
    StatisticDescription{"flat-layers", &S::flat_layers, 0, 1U << 16U,
                         "First layers that draw each selection anew, all entries alike"},
    StatisticDescription{"popular-share", &S::popular_share, popular_part, 1,
                         "Part of the first selections on the eighth of the pages that is popular"},
    StatisticDescription{"request-correlation", &S::request_correlation, 0, 1,
                         "Part of the popular pages, and of the unsettled stretches, that all requests share"},
};

}  // namespace

std::span<const StatisticDescription> statistic_descriptions() noexcept {
  return all_statistics;
}

std::span<const Preset> presets() noexcept {
  return all_presets;
}

const Preset& find_preset(std::string_view name) {
  const auto* const found = std::ranges::find(all_presets, name, &Preset::name);
  if (found == all_presets.end()) {
    std::vector<std::string_view> known;
    std::ranges::transform(all_presets, std::back_inserter(known), &Preset::name);
    throw ConfigError("`preset`", "expected one of {}, found \"{}\"", fmt::join(known, ", "), name);
  }
  return *found;
}

}  // namespace dsasim
