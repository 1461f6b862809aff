#include "dsasim/step/measured_kernels.hpp"

#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "dsasim/model/model.hpp"
#include "step/kernels/attention_module.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

constexpr std::uint64_t most = 1'000'000'000;

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t comma = 0; (comma = line.find(',')) != std::string_view::npos; line.remove_prefix(comma + 1)) {
    fields.push_back(line.substr(0, comma));
  }
  fields.push_back(line);
  return fields;
}

/// Lines without the comments among them, each with its number.
class Lines {
 public:
  explicit Lines(const std::string& path) : in_(path, std::ios::binary) {
    if (!in_) {
      throw SystemError(path, "cannot be read");
    }
  }
  bool next(std::string& line) {
    while (std::getline(in_, line)) {
      ++number_;
      if (line.ends_with('\r')) {
        line.pop_back();
      }
      if (!line.empty() && line.front() != '#') {
        return true;
      }
    }
    return false;
  }
  std::size_t number() const noexcept { return number_; }

 private:
  std::ifstream in_;
  std::size_t number_ = 0;
};

/// One row, by column.
class Row {
 public:
  Row(std::string where, const std::vector<std::string>& names, std::string_view line)
      : where_(std::move(where)), names_(names), fields_(fields_of(line)) {
    if (fields_.size() != names_.size()) {
      throw ConfigError(where_, "expected {} fields as in the header, found {}", names_.size(), fields_.size());
    }
  }

  bool has(std::string_view column) const { return place(column).has_value(); }
  std::string_view text(std::string_view column) const {
    const auto at = place(column);
    if (!at) {
      throw ConfigError(where_, "expected a column \"{}\" in the header, found none", column);
    }
    return fields_[*at];
  }
  std::uint64_t integer(std::string_view column, std::uint64_t least, std::uint64_t greatest = most) const {
    return number_of<std::uint64_t>(column, least, greatest);
  }
  double number(std::string_view column, double least, double greatest) const {
    return number_of<double>(column, least, greatest);
  }
  [[noreturn]] void refuse(std::string_view column, std::string_view expected) const {
    throw ConfigError(where_, "{}: expected {}, found \"{}\"", column, expected, text(column));
  }

 private:
  std::optional<std::size_t> place(std::string_view column) const {
    const auto found = std::find(names_.begin(), names_.end(), column);
    return found == names_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - names_.begin()));
  }
  template <class T>
  T number_of(std::string_view column, T least, T greatest) const {
    const std::string_view field = text(column);
    const auto value = dsasim::number_of<T>(field);
    if (!value || !(*value >= least && *value <= greatest)) {
      throw ConfigError(where_, "{}: expected a number from {} to {}, found \"{}\"", column, least, greatest, field);
    }
    return *value;
  }

  std::string where_;
  const std::vector<std::string>& names_;
  std::vector<std::string_view> fields_;
};

Arithmetic gemm_type(const Row& row) {
  const std::string_view text = row.text("gemm_dtype");
  if (text != "fp8_block" && text != "bfloat16") {
    row.refuse("gemm_dtype", "fp8_block or bfloat16");
  }
  return text == "bfloat16" ? Arithmetic::bf16 : Arithmetic::fp8;
}

KvType kv_type(const Row& row) {
  const std::string_view text = row.text("kv_dtype");
  if (text != "fp8" && text != "bfloat16") {
    row.refuse("kv_dtype", "fp8 or bfloat16");
  }
  return text == "bfloat16" ? KvType::bf16 : KvType::fp8;
}

ExpertSpread spread_of(const Row& row) {
  const std::string_view text = row.text("distribution");
  if (text != "balanced" && !text.starts_with("power_law")) {
    row.refuse("distribution", "balanced or power_law_...");
  }
  return text == "balanced" ? ExpertSpread::balanced : ExpertSpread::power_law;
}

Kernel collective(const Row& row) {
  const std::string_view operation = row.text("op");
  const std::uint64_t gpus = row.integer("num_gpus", 2, 8);
  const auto bytes = static_cast<double>(row.integer("message_bytes", 1));
  if (operation == "all_reduce") {
    return all_reduce(gpus, bytes);
  }
  if (operation == "all_gather") {
    return all_gather(gpus, bytes);
  }
  if (operation != "reduce_scatter") {
    row.refuse("op", "all_reduce, all_gather or reduce_scatter");
  }
  return reduce_scatter(gpus, bytes);
}

/// The part of the rows that a launch did not find in the L2.
double cold_part(const Row& row) {
  const std::string_view state = row.text("state");
  return state == "hot" ? 0 : state == "partial" ? 1 - row.number("hot_fraction", 0, 1) : 1;
}

class Reader {
 public:
  Reader(MeasuredKind kind, const Gpu& gpu, const KernelTable& table) : kind_(kind), gpu_(gpu), table_(table) {}

  std::vector<Kernel> kernels(const Row& row) {
    switch (kind_) {
      case MeasuredKind::gemm:
        return {gemm({.tokens = row.integer("m", 1),
                      .inputs = row.integer("k", 1),
                      .outputs = row.integer("n", 1),
                      .type = gemm_type(row)},
                     gpu_)};
      case MeasuredKind::experts:
        return {routed_experts(experts(row))};
      case MeasuredKind::attention:
        return {attention(row)};
      case MeasuredKind::indexer:
        return {scan(row)};
      case MeasuredKind::topk:
        return {selection(row)};
      case MeasuredKind::module:
        return module(row);
      case MeasuredKind::collective:
        return {collective(row)};
    }
    return {};
  }

 private:
  static Experts experts(const Row& row) {
    constexpr std::uint64_t most_experts = 100'000;
    const auto count = static_cast<std::uint32_t>(row.integer("num_experts", 1, most_experts));
    return {.tokens = row.integer("num_tokens", 1, 1'000'000'000),
            .hidden = row.integer("hidden_size", 1),
            .inner = row.integer("inter_size", 1),
            .experts = count,
            .active = static_cast<std::uint32_t>(row.integer("topk", 1, count)),
            .always = 0,
            .tensor_parallel = row.integer("moe_tp_size", 1),
            .expert_parallel = row.integer("moe_ep_size", 1),
            .spread = spread_of(row)};
  }

  // One column after the other, so that the first that is missing is the one that is named.
  static Kernel scan(const Row& row) {
    constexpr std::uint64_t scale_bytes = 4;
    const std::uint64_t batch = row.integer("batch", 1);
    const std::uint64_t context = row.integer("context", 1);
    const std::uint64_t heads = row.integer("heads", 1);
    const std::uint64_t dim = row.integer("dim", 1);
    return indexer_scan(batch * context, heads, dim, dim + scale_bytes);
  }

  static Kernel selection(const Row& row) {
    constexpr std::uint64_t usual_top_k = 2048;
    const std::uint64_t batch = row.integer("batch", 1);
    const std::uint64_t context = row.integer("context", 1);
    return select_top_k(batch * context, context, row.has("topk") ? row.integer("topk", 1) : usual_top_k);
  }

  Kernel attention(const Row& row) const {
    constexpr std::uint64_t row_bytes = 656;
    const std::uint64_t rows = row.integer("topk", 1, 1'000'000);
    return latent_decode({.selected = true,
                          .batch = row.integer("batch", 1, 1'000'000),
                          .rows = rows,
                          .filled = rows,
                          .heads = static_cast<std::uint32_t>(row.integer("heads", 1, 128)),
                          .kv = KvType::fp8,
                          .row_bytes = row_bytes,
                          .cold = cold_part(row),
                          .set_aside = row.has("set_aside_mib") && row.number("set_aside_mib", 0, most) > 0},
                         gpu_, table_);
  }

  std::vector<Kernel> module(const Row& row) {
    const std::string name(row.text("model"));
    auto known = models_.find(name);
    if (known == models_.end()) {
      known = models_.emplace(name, load_model(name)).first;
    }
    const Model& model = known->second;
    ModelLayer layer = model.layers.front();
    layer.owns_indexer = row.integer("has_indexer", 0, 1) == 1;
    if (!layer.latent) {
      row.refuse("model", "one with latent attention");
    }
    const std::uint64_t batch = row.integer("batch", 1, 1'000'000);
    const ModuleShape shape = {.queries = equal_queries(layer, batch, row.integer("context", 1, 100'000'000)),
                               .heads = static_cast<std::uint32_t>(row.integer("heads_per_gpu", 1, 128)),
                               .kv = kv_type(row),
                               .linear = gemm_type(row)};
    const AttentionModule parts = attention_module(shape, layer, model.indexer);
    std::vector<Kernel> kernels = {parts.rest, latent_decode(module_attention(shape, layer), gpu_, table_)};
    if (parts.indexer) {
      kernels.insert(kernels.end(), {*parts.indexer_rest, *parts.indexer, *parts.topk});
    }
    return kernels;
  }

  MeasuredKind kind_;
  const Gpu& gpu_;
  const KernelTable& table_;
  std::map<std::string, Model> models_;
};

}  // namespace

MeasuredRows read_measured(const std::string& path, MeasuredKind kind, const Gpu& gpu, const KernelTable& table) {
  Lines lines(path);
  MeasuredRows out;
  if (!lines.next(out.header)) {
    throw ConfigError(path, "expected a header, found no line");
  }
  std::vector<std::string> names;
  for (const std::string_view name : fields_of(out.header)) {
    names.emplace_back(name);
  }
  Reader reader(kind, gpu, table);
  for (std::string line; lines.next(line);) {
    const Row row(fmt::format("{}:{}", path, lines.number()), names, line);
    std::vector<Kernel> kernels = reader.kernels(row);
    out.rows.push_back({.line = line, .kernels = std::move(kernels)});
  }
  return out;
}

}  // namespace dsasim
