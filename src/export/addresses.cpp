// What a memory simulator reads: the lines that each gather of a replay reads from memory, in order.

#include "dsasim/error.hpp"
#include "export/writers.hpp"

namespace dsasim {

void write_addresses(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink) {
  if (effective_config(trace, config).entry_bytes == 0) {
    throw ConfigError("`entry_bytes`", "{} does not give its entries' bytes, which addresses are made of",
                      trace.name());
  }
  ExportBuffer buffer(sink);
  ReplayHooks hooks;
  hooks.on_lines = [&](std::span<const std::uint64_t> lines) {
    for (const std::uint64_t line : lines) {
      append_little_endian(buffer.bytes(), line);
    }
    buffer.flush_if_full();
  };
  replay(trace, config, hooks);
  buffer.flush();
}

}  // namespace dsasim
