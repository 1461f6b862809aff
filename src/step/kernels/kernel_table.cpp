#include "dsasim/step/kernel_table.hpp"

#include "dsasim/error.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

namespace dsasim {
namespace {

constexpr std::array gemm_parameters = {
    KernelParameter{"start_ns", "a launch, and filling the pipeline"},
    KernelParameter{"unsplit_k_input_ns", "1,000 inputs, up to 2,048, which a tile adds up one after the other"},
    KernelParameter{"k_input_ns", "1,000 inputs of all"},
    KernelParameter{"wave_k_input_ns", "the same, for each wave of tiles over the multiprocessors"},
    KernelParameter{"weight_mb_ns", "a MB of weights"},
    KernelParameter{"token_mega_weight_ns", "a token times 1,000,000 weights"},
    KernelParameter{"k_value_ns", "1,000 values that go in or come out"}};
constexpr std::array expert_parameters = {
    KernelParameter{"start_ns", "sorting tokens by expert, two products and an activation: launches"},
    KernelParameter{"hidden_ns", "1,000 hidden values, which each tile adds up"},
    KernelParameter{"expert_ns", "an expert that is named, however small its part"},
    KernelParameter{"expert_mb_ns", "a MB of weights of experts that are named"},
    KernelParameter{"first_mb_ns", "a MB of one expert, which one multiprocessor's tiles read alone"},
    KernelParameter{"token_mega_value_ns", "1,000,000 hidden values of tokens"}};
constexpr std::array flash_mla_parameters = {
    KernelParameter{"start_ns", "launch, prologue and epilogue"},
    KernelParameter{"block_ns", "a tile of 64 rows on the fullest part: dequantisation and products"},
    KernelParameter{"empty_block_ns", "a tile without entries, of a selection that is padded"},
    KernelParameter{"shared_block_ns", "a tile, times the share of the parts that have work"},
    KernelParameter{"piece_ns", "another request on the same part"},
    KernelParameter{"combine_ns", "the second kernel, where a request is split"},
    KernelParameter{"split_ns", "a split of the request that has most"},
    KernelParameter{"partial_mb_ns", "a MB of partial outputs"},
    KernelParameter{"cold_part_ns", "rows that are not in the L2: all of them, and of a part its square root"},
    KernelParameter{"cold_tile_ns", "the same, for the second and the third tile of the fullest part"},
    KernelParameter{"set_aside_mb2_ns",
                    "the square of the MB of partial outputs above 9, where most of the L2 is set aside"}};
constexpr std::array sparse_attention_parameters = {
    KernelParameter{"wave_ns", "a wave of requests over the multiprocessors"},
    KernelParameter{"request_share_ns", "requests for each multiprocessor"},
    KernelParameter{"depth_ns", "a selection of 2,048 rows, one after the other"},
    KernelParameter{"row_mb_ns", "a MB of rows"}, KernelParameter{"head_ns", "1,000 heads of all requests"}};
constexpr std::array indexer_parameters = {KernelParameter{"start_ns", "a launch, and a tile of keys"},
                                           KernelParameter{"key_mb_ns", "a MB of keys"}};
constexpr std::array topk_parameters = {
    KernelParameter{"start_ns", "a launch, and the passes over histograms"},
    KernelParameter{"near_k_score_ns", "1,000 scores of a request, as far as shared memory holds them"},
    KernelParameter{"far_k_score_ns", "1,000 scores beyond"},
    KernelParameter{"mega_score_ns", "1,000,000 scores of all requests"}};
constexpr std::array attention_rest_parameters = {
    KernelParameter{"start_ns", "launches: products, norms, RoPE, writes"},
    KernelParameter{"quantise_ns", "more of them, with projections in fp8"},
    KernelParameter{"weight_fp8_mb_ns", "a MB of weights in fp8"},
    KernelParameter{"weight_bf16_mb_ns", "a MB of weights in bf16"},
    KernelParameter{"k_value_ns", "1,000 values that go in or come out of projections"},
    KernelParameter{"absorbed_mb_ns", "a MB of the absorbed projections"},
    KernelParameter{"several_ns", "a batch of more than one"}};
constexpr std::array indexer_rest_parameters = {
    KernelParameter{"start_ns", "launches: products, norms, RoPE, writes"},
    KernelParameter{"quantise_ns", "more of them, with projections in fp8"},
    KernelParameter{"weight_fp8_mb_ns", "a MB of weights in fp8"},
    KernelParameter{"weight_bf16_mb_ns", "a MB of weights in bf16"},
    KernelParameter{"k_value_ns", "1,000 values that go in or come out of projections"},
    KernelParameter{"selects_ns", "a context longer than the top-k"}};
constexpr std::array all_reduce_parameters = {
    KernelParameter{"start_ns", "a launch, and two barriers over NVLink"},
    KernelParameter{"one_shot_mb_ns", "a MB that every GPU reads of every other"},
    KernelParameter{"two_shot_ns", "the barrier between reduction and gathering"},
    KernelParameter{"two_shot_mb_ns", "a MB in two shots"}};
constexpr std::array nccl_parameters = {KernelParameter{"start_ns", "a launch, and the ring or tree"},
                                        KernelParameter{"packet_mb_ns", "a MB in packets, up to 64 KiB"},
                                        KernelParameter{"simple_ns", "a message of more than 256 KiB"},
                                        KernelParameter{"mb_ns", "a MB"}};
constexpr std::array small_parameters = {KernelParameter{"start_ns", "a launch"},
                                         KernelParameter{"mb_ns", "a MB that is read or written"}};

constexpr std::array classes = {KernelClass{"gemm_fp8", gemm_parameters},
                                KernelClass{"gemm_bf16", gemm_parameters},
                                KernelClass{"experts", expert_parameters},
                                KernelClass{"flash_mla_64", flash_mla_parameters},
                                KernelClass{"flash_mla_128", flash_mla_parameters},
                                KernelClass{"sparse_attention_fp8", sparse_attention_parameters},
                                KernelClass{"sparse_attention_bf16", sparse_attention_parameters},
                                KernelClass{"indexer", indexer_parameters},
                                KernelClass{"topk", topk_parameters},
                                KernelClass{"attention_rest_kv_fp8", attention_rest_parameters},
                                KernelClass{"attention_rest_kv_bf16", attention_rest_parameters},
                                KernelClass{"indexer_rest_kv_fp8", indexer_rest_parameters},
                                KernelClass{"indexer_rest_kv_bf16", indexer_rest_parameters},
                                KernelClass{"all_reduce_2", all_reduce_parameters},
                                KernelClass{"all_reduce_4", all_reduce_parameters},
                                KernelClass{"all_reduce_8", all_reduce_parameters},
                                KernelClass{"all_gather_2", nccl_parameters},
                                KernelClass{"all_gather_4", nccl_parameters},
                                KernelClass{"all_gather_8", nccl_parameters},
                                KernelClass{"reduce_scatter_2", nccl_parameters},
                                KernelClass{"reduce_scatter_4", nccl_parameters},
                                KernelClass{"reduce_scatter_8", nccl_parameters},
                                KernelClass{"small", small_parameters}};

constexpr double most_ns = 1e9;

FittedClass read_class(const KernelClass& known, ConfigObject config) {
  FittedClass fitted;
  fitted.source = config.text("source");
  if (config.has("errors")) {
    ConfigObject errors = config.object("errors");
    const auto optional_number = [&](std::string_view key) {
      return errors.has(key) ? std::optional(errors.number(key, 0, most_ns)) : std::nullopt;
    };
    fitted.errors = KernelErrors{.mean = errors.number("mean", 0, most_ns),
                                 .worst = errors.number("worst", 0, most_ns),
                                 .left_out_mean = optional_number("left_out_mean"),
                                 .left_out_worst = optional_number("left_out_worst"),
                                 .differences = {}};
    if (errors.has("cold_ns")) {
      fitted.errors->differences = DifferenceErrors{.cold_ns = errors.number("cold_ns", 0, most_ns),
                                                    .set_aside_ns = errors.number("set_aside_ns", 0, most_ns)};
    }
    errors.refuse_unread();
  }
  for (const KernelParameter& parameter : known.parameters) {
    // A cost that a fit found to be none is left out of the file.
    if (config.has(parameter.name)) {
      fitted.parameters.emplace(parameter.name, config.number(parameter.name, 0, most_ns));
    }
  }
  config.refuse_unread();
  return fitted;
}

}  // namespace

std::span<const KernelClass> kernel_classes() noexcept {
  return classes;
}

KernelTable KernelTable::roofline(const Gpu& gpu) {
  KernelTable table(gpu);
  table.name_ = "roofline";
  table.source_ = gpu.source;
  table.lower_bound_ = true;
  return table;
}

KernelTable KernelTable::read(ConfigObject config, const Gpu& gpu) {
  KernelTable table(gpu);
  table.source_ = config.text("source");
  ConfigObject named = config.object("classes");
  for (const KernelClass& known : classes) {
    if (named.has(known.name)) {
      table.classes_.emplace(known.name, read_class(known, named.object(known.name)));
    }
  }
  named.refuse_unread();
  config.refuse_unread();
  return table;
}

KernelTable KernelTable::load(const std::string& asked, const Gpu& gpu) {
  const std::string& name = asked.empty() ? gpu.name : asked;
  if (name == "roofline") {
    return roofline(gpu);
  }
  if (!is_config_file(name)) {
    const auto known = config_names("kernels");
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw ConfigError("`kernels`",
                        "no kernels were measured on {}; known: {}, roofline (a lower bound), or a FILE.json", name,
                        fmt::join(known, ", "));
    }
  }
  KernelTable table = read(named_config("`kernels`", "kernels", name), gpu);
  table.name_ = config_title(name);
  return table;
}

bool KernelTable::has(std::string_view kernel_class) const noexcept {
  return classes_.find(kernel_class) != classes_.end();
}

const FittedClass* KernelTable::fitted(std::string_view kernel_class) const noexcept {
  const auto found = classes_.find(kernel_class);
  return found == classes_.end() ? nullptr : &found->second;
}

double KernelTable::ns(const Kernel& kernel) const {
  const double ns = lower_bound_ ? bound_ns(kernel) : measured_ns(kernel);
  // Far above any kernel; it keeps the sums over layers and parts within their type.
  constexpr double most_kernel_ns = 1e13;
  if (!(ns <= most_kernel_ns)) {
    throw ConfigError("`kernels`", "a kernel of the class {} would take {:.3g} ns; expected at most {:.0e}",
                      kernel.kernel_class, ns, most_kernel_ns);
  }
  return ns;
}

double KernelTable::bound_ns(const Kernel& kernel) const noexcept {
  constexpr double flop_per_ns = 1000;  // of 1 TFLOP/s
  return std::max(kernel.bytes / gpu_.memory_gb_s, kernel.flops / (gpu_.tflop_s(kernel.arithmetic) * flop_per_ns));
}

double KernelTable::measured_ns(const Kernel& kernel) const {
  const FittedClass* fitted = this->fitted(kernel.kernel_class);
  if (fitted == nullptr) {
    throw ConfigError("`kernels`", "{} has no times of the class {}", name_, kernel.kernel_class);
  }
  double ns = 0;
  for (const KernelTerm& term : kernel.terms) {
    const auto cost = fitted->parameters.find(term.parameter);
    ns += cost == fitted->parameters.end() ? 0 : cost->second * term.amount;
  }
  return ns;
}

}  // namespace dsasim
