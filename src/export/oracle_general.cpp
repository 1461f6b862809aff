// libCacheSim's oracleGeneral (github.com/1a1a11a/libCacheSim): packed records of 24 bytes, little-endian:
// uint32 time, uint64 object, uint32 size, int64 number of the request that accesses it next, -1 if none does.

#include "export/writers.hpp"
#include "replay/future.hpp"

#include <algorithm>
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
        order_(trace.header(), config_),
        future_(trace, config_, steps_, layout_),
        buffer_(sink) {
    for (std::uint32_t request = 0; request < trace.request_count(); ++request) {
      const StepRange steps = steps_of(trace, request, steps_);
      cursors_.emplace_back(trace, request, steps.first, steps.last);
    }
  }

  void run() {
    for (std::uint64_t step = steps_.first; step < steps_.last; ++step) {
      std::vector<std::uint32_t> active;
      for (std::uint32_t request = 0; request < cursors_.size(); ++request) {
        if (step >= trace_.header().requests[request].start_step && cursors_[request].next()) {
          active.push_back(request);
        }
      }
      if (active.empty()) {
        step = next_start(step) - 1;
        continue;
      }
      for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
        for (const std::uint32_t request : active) {
          append(step, std::uint64_t{layer} * trace_.request_count() + request, cursors_[request].selection(layer));
        }
      }
      buffer_.flush_if_full();
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
    return config;
  }

  /// The first step after this one at which a request begins: there may be billions without any between.
  std::uint64_t next_start(std::uint64_t step) const {
    std::uint64_t next = steps_.last;
    for (const RequestInfo& request : trace_.header().requests) {
      next = request.start_step > step ? std::min<std::uint64_t>(next, request.start_step) : next;
    }
    return next;
  }

  void append(std::uint64_t step, std::uint64_t stream, const SelectionView& selection) {
    const auto ids = order_.accesses(selection, {});
    const auto next_uses = future_.next(ids.size());
    std::string& out = buffer_.bytes();
    for (std::size_t i = 0; i < ids.size(); ++i, ++accesses_) {
      const bool again = next_uses[i] != never_again;
      append_little_endian(out, static_cast<std::uint32_t>(step));
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
  std::vector<RequestCursor> cursors_;
  std::uint64_t accesses_ = 0;
};

}  // namespace

void write_oracle_general(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink) {
  OracleWriter(trace, config, sink).run();
}

}  // namespace dsasim
