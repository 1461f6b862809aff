#include "dsasim/report/roofline_report.hpp"
#include "report/choice_name.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string>

namespace dsasim {
namespace {

std::string percent(double part) {
  return fmt::format("{:.{}f}%", 100 * part, part < 0.1 ? 2 : 1);
}

std::string flops_text(double flops) {
  return scaled(flops, std::array{"flop", "kflop", "Mflop", "Gflop", "Tflop"});
}

void append_bytes(std::string& out, std::string_view name, double read, double stored, double all_read) {
  if (stored != 0) {
    fmt::format_to(std::back_inserter(out), "{:<16} {:>14} {:>8} {:>14}\n", name, bytes_text(read),
                   percent(read / all_read), bytes_text(stored));
  }
}

void append_flops(std::string& out, std::string_view name, double flops, double all, std::string_view type) {
  if (flops != 0) {
    fmt::format_to(std::back_inserter(out), "{:<16} {:>14} {:>8} {:>14}\n", name, flops_text(flops),
                   percent(flops / all), type);
  }
}

}  // namespace

std::string roofline_table(const Roofline& roofline) {
  const RooflineConfig& config = roofline.config;
  const RooflineBytes& read = roofline.read;
  const RooflineBytes& stored = roofline.stored;
  const RooflineFlops& flops = roofline.flops;
  const ModelArithmetic& type = roofline.model.arithmetic;
  std::string out;
  auto line = std::back_inserter(out);
  fmt::format_to(line, "{} on {}: batch {}, context {}, {} tokens/s for each user; {} attention{}{}\n\n",
                 roofline.model.name, roofline.gpu.name, grouped(config.batch), grouped(config.context_tokens),
                 config.rate, name_of(attention_names, config.attention),
                 stored.experts == 0 ? "" : ", " + name_of(expert_reads_names, config.experts) + " experts",
                 config.tensor_parallel == 1 ? "" : fmt::format(", tp {}", config.tensor_parallel));
  fmt::format_to(line, "{:<16} {:>14} {:>8} {:>14}\n", "", "read a step", "", "stored");
  append_bytes(out, "weights", read.weights, stored.weights, read.total());
  append_bytes(out, "routed experts", read.experts, stored.experts, read.total());
  append_bytes(out, "KV entries", read.entries, stored.entries, read.total());
  append_bytes(out, "indexer keys", read.keys, stored.keys, read.total());
  fmt::format_to(line, "{:<16} {:>14} {:>8} {:>14}\n", "all", bytes_text(read.total()), "", bytes_text(stored.total()));
  fmt::format_to(line, "\n{:<16} {:>14} {:>8} {:>14}\n", "", "compute a step", "", "in");
  append_flops(out, "linear", flops.linear, flops.total(), name_of(arithmetic_names, type.linear));
  append_flops(out, "attention", flops.attention, flops.total(), name_of(arithmetic_names, type.attention));
  append_flops(out, "indexer", flops.indexer, flops.total(), name_of(arithmetic_names, type.indexer));
  fmt::format_to(line, "{:<16} {:>14}\n", "all", flops_text(flops.total()));
  fmt::format_to(line, "\n{:<16} {:>14} {:>14} {:>14}\n", "", "bandwidth", "compute", "capacity");
  fmt::format_to(line, "{:<16} {:>14} {:>14} {:>14}\n", "GPUs needed", grouped(roofline.needed.bandwidth),
                 grouped(roofline.needed.compute), grouped(roofline.needed.capacity));
  fmt::format_to(line, "{:<16} {:>14} {:>14} {:>14}\n", "used of " + grouped(roofline.gpus),
                 percent(roofline.bandwidth_used), percent(roofline.compute_used), percent(roofline.capacity_used));
  const std::string what = fmt::format("{} GPU{}", grouped(roofline.gpus), roofline.gpus == 1 ? "" : "s");
  if (roofline.capacity_used > 1) {
    fmt::format_to(line, "\nWhat is stored does not fit in {}.\n", what);
  } else {
    fmt::format_to(line, "\nWith {}, at most {:.1f} tokens/s for each user.\n", what, roofline.rate_limit);
  }
  return out;
}

}  // namespace dsasim
