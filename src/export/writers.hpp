#pragma once

#include "dsasim/export/export.hpp"

namespace dsasim {

void write_csv(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink);
void write_oracle_general(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink);
void write_addresses(const TraceReader& trace, const ReplayConfig& config, const ExportSink& sink);

/// Steps of a request, counted from its own first, that lie in the steps of the batch that the configuration names.
StepRange steps_of(const TraceReader& trace, std::uint32_t request, StepRange batch);

/// Bytes on their way to a sink, in pieces of some size.
class ExportBuffer {
 public:
  explicit ExportBuffer(const ExportSink& sink) : sink_(sink) {}
  std::string& bytes() noexcept { return bytes_; }
  void flush_if_full() {
    constexpr std::size_t piece_bytes = 1U << 20U;
    if (bytes_.size() >= piece_bytes) {
      flush();
    }
  }
  void flush() {
    sink_(bytes_);
    bytes_.clear();
  }

 private:
  const ExportSink& sink_;
  std::string bytes_;
};

/// Appends an integer in little-endian order, whatever the machine's.
template <class T>
void append_little_endian(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out.push_back(static_cast<char>(static_cast<std::make_unsigned_t<T>>(value) >> (8 * i) & 0xFFU));
  }
}

}  // namespace dsasim
