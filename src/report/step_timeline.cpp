#include "dsasim/report/step_report.hpp"
#include "report/choice_name.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

/// The tracks of the timeline, as threads of one process.
constexpr int layer_track = 1;
constexpr int part_track = 2;

/// Parts of a layer in the order in which they run; norms and communication stand twice, with a half of their time
/// each.
constexpr std::array layer_order = {
    StepPart::norms,     StepPart::projections,   StepPart::indexer_rest, StepPart::indexer,   StepPart::topk,
    StepPart::attention, StepPart::communication, StepPart::norms,        StepPart::dense_ffn, StepPart::router,
    StepPart::experts,   StepPart::shared_expert, StepPart::communication};

/// Events back to back. Chrome's format counts in microseconds.
class Timeline {
 public:
  void add(int track, std::string name, std::uint64_t start_ns, std::uint64_t ns) {
    constexpr double ns_per_us = 1000;
    events_.push_back({{"name", std::move(name)},
                       {"ph", "X"},
                       {"pid", 0},
                       {"tid", track},
                       {"ts", static_cast<double>(start_ns) / ns_per_us},
                       {"dur", static_cast<double>(ns) / ns_per_us}});
  }
  void add_part(StepPart part, std::uint64_t ns) {
    if (ns > 0) {
      add(part_track, name_of(step_part_names, part), now_ns_, ns);
      now_ns_ += ns;
    }
  }
  void name_track(int track, const char* name) {
    events_.push_back({{"name", "thread_name"}, {"ph", "M"}, {"pid", 0}, {"tid", track}, {"args", {{"name", name}}}});
  }
  std::uint64_t now_ns() const noexcept { return now_ns_; }
  Json take() { return std::move(events_); }

 private:
  Json events_ = Json::array();
  std::uint64_t now_ns_ = 0;
};

void add_layer(Timeline& timeline, std::size_t layer, const StepParts& parts) {
  const std::uint64_t start_ns = timeline.now_ns();
  std::array<bool, step_part_names.size()> half_done{};
  for (const StepPart part : layer_order) {
    const bool twice = std::count(layer_order.begin(), layer_order.end(), part) == 2;
    bool& done = half_done[static_cast<std::size_t>(part)];
    const std::uint64_t first_half = parts[part] / 2;
    timeline.add_part(part, !twice ? parts[part] : done ? parts[part] - first_half : first_half);
    done = true;
  }
  timeline.add(layer_track, fmt::format("layer {}", layer), start_ns, timeline.now_ns() - start_ns);
}

}  // namespace

std::string step_timeline_json(const StepReport& of, const StepPrediction& step) {
  Timeline timeline;
  timeline.name_track(layer_track, "layers");
  timeline.name_track(part_track, "parts");
  timeline.add_part(StepPart::embedding, step.outside[StepPart::embedding]);
  for (std::size_t layer = 0; layer < step.type_of.size(); ++layer) {
    add_layer(timeline, layer, step.layer_types[step.type_of[layer]].parts);
  }
  timeline.add_part(StepPart::head, step.outside[StepPart::head]);
  timeline.add_part(StepPart::sampling, step.outside[StepPart::sampling]);
  Json out;
  out["displayTimeUnit"] = "ns";
  out["otherData"] = {{"model", of.model.name},
                      {"gpu", of.gpu.name},
                      {"kernels", of.table.name()},
                      {"batch", step.workload.batch},
                      {"context", step.workload.context_tokens},
                      {"lower_bound", of.table.lower_bound()}};
  out["traceEvents"] = timeline.take();
  return out.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

}  // namespace dsasim
