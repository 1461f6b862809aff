#include "dsasim/report/gather_report.hpp"

#include "config/config_value.hpp"
#include "config/json_text.hpp"
#include "dsasim/version.hpp"
#include "report/config_json.hpp"
#include "report/trace_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>

namespace dsasim {

std::string gather_json(const RandomGather& random, const RandomGatherTime& time, const MemorySpec& spec,
                        const Memory& memory) {
  nlohmann::ordered_json out;
  out["schema"] = gather_schema;
  out["tool"] = {{"version", version()}};
  out["predicted_us"] = time.launch_ns / 1000;
  out["gather_ns"] = time.gather_ns;
  out["rows"] = random.rows;
  out["row_bytes"] = random.row_bytes;
  out["hot_fraction"] = random.hot_fraction;
  out["reserved_fraction"] = random.reserved_fraction;
  out["pool_bytes"] = random.pool_bytes;
  out["seed"] = random.seed;
  out["reserved_rows"] = time.gather.hit_rows;
  out["llc_rows"] = time.gather.llc_rows;
  out["memory_rows"] = time.gather.missed_rows - time.gather.llc_rows;
  out["memory"] = memory.model_name;
  if (memory.config) {
    out["memory_parameters"] = memory.config->value().json;
    add_memory_overrides(out, spec);
  } else {
    out["miss_ns"] = spec.serial_miss_ns();
  }
  return json_text(out);
}

std::string gather_table(const RandomGather& random, const RandomGatherTime& time, const MemorySpec& spec,
                         const Memory& memory) {
  const Gather& gather = time.gather;
  std::string out;
  const auto line = [&](std::string_view what, double value, std::string_view unit) {
    fmt::format_to(std::back_inserter(out), "{:<20}{:>14.3f} {}\n", what, value, unit);
  };
  fmt::format_to(std::back_inserter(out),
                 "{} rows of {} bytes: {} in the reservation, {} in the last-level cache, {} from memory\n",
                 grouped(random.rows), grouped(random.row_bytes), grouped(gather.hit_rows), grouped(gather.llc_rows),
                 grouped(gather.missed_rows - gather.llc_rows));
  fmt::format_to(std::back_inserter(out), "{} memory{}\n\n", memory.model_name,
                 memory.config ? ", " + memory.config->where() + overrides_text(spec) : "");
  line("the whole launch", time.launch_ns / 1000, "us");
  line("inside the kernel", time.gather_ns / 1000, "us");
  if (time.launch_ns > 0) {
    const double bytes = static_cast<double>(random.rows) * static_cast<double>(random.row_bytes);
    line("bytes by launch", bytes / time.launch_ns, "GB/s");
  }
  return out;
}

}  // namespace dsasim
