#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"
#include "dsasim/export/export.hpp"
#include "export/writers.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace dsasim {
namespace {

constexpr std::array formats = {
    ExportFormat{.name = "csv",
                 .sentence = "request,step[,query,accepted],layer,id[,score]: a line an id, as import takes them",
                 .write = write_csv},
    ExportFormat{.name = "oracle-general",
                 .sentence = "libCacheSim's oracleGeneral: 24 bytes an access, with its next access",
                 .write = write_oracle_general},
    ExportFormat{.name = "addresses",
                 .sentence = "little-endian 64-bit addresses of the 64-byte lines that are read from memory",
                 .write = write_addresses},
};

}  // namespace

std::span<const ExportFormat> export_formats() {
  return formats;
}

void export_trace(const TraceReader& trace, std::string_view format, const ReplayConfig& config,
                  const ExportSink& sink) {
  const auto* found = std::find_if(formats.begin(), formats.end(), [&](const auto& f) { return f.name == format; });
  if (found == formats.end()) {
    std::vector<std::string_view> names = {"npz"};
    std::transform(formats.begin(), formats.end(), std::back_inserter(names), [](const auto& f) { return f.name; });
    throw ConfigError("`to`", "unknown format {}", unknown_name(format, names));
  }
  found->write(trace, config, sink);
}

}  // namespace dsasim
