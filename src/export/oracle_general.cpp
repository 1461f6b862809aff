// libCacheSim's oracleGeneral (github.com/1a1a11a/libCacheSim): packed records of 24 bytes, little-endian:
// uint32 time, uint64 object, uint32 size, int64 number of the request that accesses it next, -1 if none does.

#include "dsasim/error.hpp"
#include "export/writers.hpp"
#include "replay/future.hpp"
#include "trace/batch_cursor.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

namespace dsasim {
namespace {

/// All accesses as those of one cache, in the order of a replay: steps, layers, requests.
class OracleWriter {
 public:
  OracleWriter(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink)
      : trace_(trace),
        config_(of_one_cache(config)),
        steps_(effective_config(trace, config_).steps),
        layout_(make_layout(trace, config_, std::vector<std::uint64_t>{1})),
        order_(trace, config_),
        future_(trace, config_, steps_, layout_),
        buffer_(sink) {}

  void run() {
    constexpr std::size_t block_bytes = std::size_t{1} << 19U;
    trace::BatchCursor batch(trace_, steps_);
    std::vector<trace::SelectionBlock> lanes;  // by layer and active request; kept, with their memory
    while (batch.next_block(block_bytes / layout_.streams.size())) {
      const auto active = batch.active();
      lanes.resize(std::max(lanes.size(), trace_.layer_count() * active.size()));
      for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
        for (std::size_t i = 0; i < active.size(); ++i) {
          batch.decode(active[i], layer, {.ids = true, .sets = false}, lanes[layer * active.size() + i]);
        }
      }
      for (std::uint64_t step = batch.block().first; step < batch.block().last && !active.empty(); ++step) {
        append_step(step, active, lanes, step - batch.block().first);
      }
    }
    buffer_.flush();
  }

 private:
  static ReplayConfig of_one_cache(ReplayConfig config) {
    config.policy = parse_policy("belady");
    config.scope = Scope::shared;
    config.capacity = Capacity::parse("1");
    config.warm = Warm::none;
    config.new_token = NewToken::demand;
    config.resident_blocks = 0;
    config.pins = {};
    config.prefetch = {};
    config.granularity = {};
    return config;
  }

  void append_step(std::uint64_t step, std::span<const std::uint32_t> active,
                   std::span<const trace::SelectionBlock> lanes, std::uint64_t step_of_block) {
    if (step > std::numeric_limits<std::uint32_t>::max()) {
      throw ConfigError("`to`", "oracle-general has 32 bits for a step, and {} goes on at step {}", trace_.name(),
                        step);
    }
    for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
      for (std::size_t i = 0; i < active.size(); ++i) {
        append(static_cast<std::uint32_t>(step), std::uint64_t{layer} * trace_.request_count() + active[i],
               lanes[layer * active.size() + i][step_of_block]);
      }
    }
    buffer_.flush_if_full();
  }

  void append(std::uint32_t step, std::uint64_t stream, const SelectionView& selection) {
    const auto ids = order_.accesses(selection, {});
    const auto next_uses = future_.next(ids.size());
    std::string& out = buffer_.bytes();
    for (std::size_t i = 0; i < ids.size(); ++i, ++accesses_) {
      const bool again = next_uses[i] != never_again;
      append_little_endian(out, step);
      append_little_endian(out, stream << 32U | value(ids[i]));
      append_little_endian(out, std::uint32_t{1});
      append_little_endian(out, again ? static_cast<std::int64_t>(accesses_ + next_uses[i]) : std::int64_t{-1});
    }
  }

  const TraceReader& trace_;
  ReplayConfig config_;
  StepRange steps_;
  DirectoryLayout layout_;
  AccessOrder order_;
  Future future_;
  ExportBuffer buffer_;
  std::uint64_t accesses_ = 0;
};

}  // namespace

void write_oracle_general(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink) {
  trace.require_single_queries("the export to oracle-general");
  trace.require_equal_stores("the export to oracle-general");
  OracleWriter(trace, config, sink).run();
}

}  // namespace dsasim
