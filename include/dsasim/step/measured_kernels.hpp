#pragma once

#include "dsasim/model/gpu.hpp"
#include "dsasim/step/kernel_table.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace dsasim {

/// What the rows of a file of measurements are, and so which columns say their shapes.
enum class MeasuredKind : std::uint8_t {
  gemm,        ///< gemm_dtype, m, n, k
  experts,     ///< distribution, num_tokens, hidden_size, inter_size, topk, num_experts, moe_tp_size, moe_ep_size
  attention,   ///< batch, heads, topk, state, hot_fraction: FlashMLA's sparse decode with its combine kernel
  indexer,     ///< batch, context, heads, dim
  topk,        ///< batch, context; topk, 2048 if there is no such column
  module,      ///< model, has_indexer, kv_dtype, gemm_dtype, heads_per_gpu, batch, context: a whole attention module
  collective,  ///< op, num_gpus, message_bytes
};
inline constexpr std::array measured_kind_names = {ChoiceName<MeasuredKind>{"gemm", MeasuredKind::gemm},
                                                   ChoiceName<MeasuredKind>{"experts", MeasuredKind::experts},
                                                   ChoiceName<MeasuredKind>{"attention", MeasuredKind::attention},
                                                   ChoiceName<MeasuredKind>{"indexer", MeasuredKind::indexer},
                                                   ChoiceName<MeasuredKind>{"topk", MeasuredKind::topk},
                                                   ChoiceName<MeasuredKind>{"module", MeasuredKind::module},
                                                   ChoiceName<MeasuredKind>{"collective", MeasuredKind::collective}};

/// The kernels that a row's time is of. `line` is the row as it stands in the file.
struct MeasuredRow {
  std::string line;
  std::vector<Kernel> kernels;
};
struct MeasuredRows {
  std::string header;
  std::vector<MeasuredRow> rows;
};

/// Reads a CSV file with a header; lines that begin with # are passed over, and so are columns that no shape needs.
/// Throws ConfigError with file and line, SystemError if it cannot be read.
MeasuredRows read_measured(const std::string& path, MeasuredKind kind, const Gpu& gpu, const KernelTable& table);

}  // namespace dsasim
