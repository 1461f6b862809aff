#include "memory/hbm/dram_config.hpp"

#include "dsasim/error.hpp"
#include "memory/hbm/address_map.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

namespace dsasim {
namespace {

/// Longer than any time in a data sheet; keeps sums of clocks far from the largest integer.
constexpr double max_ns = 1e6;
/// A bank is a bit of a word in DramChannel.
constexpr std::uint32_t max_banks = 64;
constexpr std::uint32_t max_stacks = 64;
constexpr std::uint32_t max_channels = 64;
constexpr std::uint64_t max_depth = 4096;

std::string where(const ConfigObject& config, std::string_view key) {
  return fmt::format("{}: /{}", config.where(), key);
}

template <class Enum, std::size_t n>
Enum choice(ConfigObject& config, std::string_view key, const std::array<std::pair<std::string_view, Enum>, n>& names) {
  const std::string text = config.text(key);
  for (const auto& [name, value] : names) {
    if (name == text) {
      return value;
    }
  }
  std::array<std::string_view, n> known;
  std::transform(names.begin(), names.end(), known.begin(), [](const auto& pair) { return pair.first; });
  throw ConfigError(where(config, key), "expected {}, found \"{}\"", fmt::join(known, " or "), text);
}

std::uint32_t power_of_two(ConfigObject& config, std::string_view key, std::uint64_t least, std::uint64_t most) {
  const std::uint64_t value = config.integer(key, least, most);
  if (!std::has_single_bit(value)) {
    throw ConfigError(where(config, key), "expected a power of two, found {}", value);
  }
  return static_cast<std::uint32_t>(value);
}

/// Data sheets give picoseconds at most.
std::uint64_t picoseconds(ConfigObject& config, std::string_view key, double least_ns) {
  return static_cast<std::uint64_t>(std::llround(config.number(key, least_ns, max_ns) * 1000));
}

/// Reads times as clocks, rounded up, as JEDEC does.
class Clocks {
 public:
  Clocks(ConfigObject& config, std::uint64_t clock_ps) : config_(config), clock_ps_(clock_ps) {}
  Clock operator()(std::string_view key, Clock least = 1) const {
    return std::max(least, static_cast<Clock>((picoseconds(config_, key, 0) + clock_ps_ - 1) / clock_ps_));
  }

 private:
  ConfigObject& config_;
  std::uint64_t clock_ps_;
};

DramShape read_shape(ConfigObject& config) {
  DramShape shape;
  shape.stacks = static_cast<std::uint32_t>(config.integer("stacks", 1, max_stacks));
  shape.stack_bytes = power_of_two(config, "stack_bytes", dram_line_bytes, 1U << 20U);
  shape.channels = power_of_two(config, "channels", 1, max_channels);
  shape.pseudo_channels = power_of_two(config, "pseudo_channels", 1, 4);
  shape.ranks = power_of_two(config, "ranks", 1, 16);
  shape.bank_groups = power_of_two(config, "bank_groups", 1, 16);
  shape.banks = power_of_two(config, "banks", 1, 16);
  shape.rows = power_of_two(config, "rows", 1, 1U << 24U);
  shape.row_bytes = power_of_two(config, "row_bytes", dram_line_bytes, 1U << 16U);
  shape.burst_bytes = power_of_two(config, "burst_bytes", 16, dram_line_bytes);
  if (shape.banks_of_channel() > max_banks) {
    throw ConfigError(config.where(),
                      "expected at most {} banks a channel, found pseudo_channels {} x ranks {} x bank_groups {} x "
                      "banks {} = {}; pseudo-channels may be given as channels",
                      max_banks, shape.pseudo_channels, shape.ranks, shape.bank_groups, shape.banks,
                      shape.banks_of_channel());
  }
  return shape;
}

void refuse_less(const ConfigObject& config, std::string_view key, Clock value, std::string_view bound_name,
                 Clock bound) {
  if (value < bound) {
    throw ConfigError(where(config, key), "expected at least {} ({} clocks), found {} clocks", bound_name, bound,
                      value);
  }
}

/// Of times that a data sheet gives together: in picoseconds, since rounding each to clocks may turn them around.
void check_times(ConfigObject& config) {
  const auto refuse_shorter = [&](std::string_view key, std::string_view names, std::uint64_t bound_ps) {
    const std::uint64_t value_ps = picoseconds(config, key, 0);
    if (value_ps < bound_ps) {
      throw ConfigError(where(config, key), "expected at least {} ({} ps), found {} ps", names, bound_ps, value_ps);
    }
  };
  const auto ps = [&](std::string_view key) { return picoseconds(config, key, 0); };
  refuse_shorter("tRC_ns", "tRAS + tRP", ps("tRAS_ns") + ps("tRP_ns"));
  refuse_shorter("tRAS_ns", "tRCD", ps("tRCD_ns"));
  refuse_shorter("tRRD_L_ns", "tRRD_S", ps("tRRD_S_ns"));
  refuse_shorter("tFAW_ns", "tRRD_S", ps("tRRD_S_ns"));
  refuse_shorter("tCCD_L_ns", "tCCD_S", ps("tCCD_S_ns"));
}

DramTiming read_timing(ConfigObject& config, std::uint64_t clock_ps) {
  check_times(config);
  const Clocks clocks(config, clock_ps);
  DramTiming timing;
  timing.rcd = clocks("tRCD_ns");
  timing.rp = clocks("tRP_ns");
  timing.ras = clocks("tRAS_ns");
  timing.rc = clocks("tRC_ns");
  timing.rrd_s = clocks("tRRD_S_ns");
  timing.rrd_l = clocks("tRRD_L_ns");
  timing.faw = clocks("tFAW_ns");
  timing.ccd_s = clocks("tCCD_S_ns");
  timing.ccd_l = clocks("tCCD_L_ns");
  timing.ccd_r = clocks("tCCD_R_ns");
  timing.rtp = clocks("tRTP_ns");
  timing.cl = clocks("CL_ns");
  timing.burst = clocks("burst_ns");
  timing.act_command = clocks("activate_command_ns");
  timing.refi = clocks("tREFI_ns");
  timing.rfc = clocks("tRFC_ns");
  timing.rfc_bank = clocks("tRFCpb_ns");
  // Bursts of one pseudo-channel follow each other on its data bus.
  timing.ccd_s = std::max(timing.ccd_s, timing.burst);
  timing.ccd_l = std::max(timing.ccd_l, timing.burst);
  timing.ccd_r = std::max(timing.ccd_r, timing.burst);
  return timing;
}

/// A bank must be open again, and have time to work, before the next refresh.
void check_refresh(const ConfigObject& config, const DramConfig& dram) {
  const DramTiming& timing = dram.timing;
  const Clock work = timing.rc + timing.rcd;
  if (dram.refresh == Refresh::all_bank) {
    refuse_less(config, "tREFI_ns", timing.refi, "tRFC + tRC + tRCD", timing.rfc + work);
  }
  if (dram.refresh == Refresh::per_bank) {
    refuse_less(config, "tREFI_ns", timing.refi, "tRFCpb + tRC + tRCD", timing.rfc_bank + work);
    refuse_less(config, "tREFI_ns", timing.refi, "a clock for each bank", dram.shape.banks_of_pseudo_channel());
  }
}

void read_controller(ConfigObject& config, DramConfig& dram) {
  using namespace std::string_view_literals;
  dram.queue = choice(config, "queue",
                      std::array{std::pair{"channel"sv, QueueKind::channel},  //
                                 std::pair{"bank"sv, QueueKind::bank}});
  dram.queue_depth = static_cast<std::uint32_t>(config.integer("queue_depth", 1, max_depth));
  if (dram.queue_depth < dram.shape.bursts_of_line()) {
    throw ConfigError(where(config, "queue_depth"), "expected at least the {} bursts of a line, found {}",
                      dram.shape.bursts_of_line(), dram.queue_depth);
  }
  dram.transaction_depth = static_cast<std::uint32_t>(config.integer("transaction_depth", 0, max_depth));
  dram.scheduling = choice(config, "scheduling",
                           std::array{std::pair{"fr_fcfs"sv, Scheduling::fr_fcfs},  //
                                      std::pair{"fcfs"sv, Scheduling::fcfs}});
  dram.arbitration = choice(config, "arbitration",
                            std::array{std::pair{"oldest"sv, Arbitration::oldest},  //
                                       std::pair{"round_robin"sv, Arbitration::round_robin}});
  dram.close_row = choice(config, "close_row",
                          std::array{std::pair{"wanted"sv, CloseRow::wanted},  //
                                     std::pair{"oldest"sv, CloseRow::oldest}});
  dram.row_hit_limit = static_cast<std::uint32_t>(config.integer("row_hit_limit", 0, max_depth));
  dram.entry_until = choice(config, "entry_until",
                            std::array{std::pair{"read"sv, EntryUntil::read},  //
                                       std::pair{"activate"sv, EntryUntil::activate}});
  dram.merge_reads = config.flag("merge_reads");
  dram.page_policy = choice(config, "page_policy",
                            std::array{std::pair{"open"sv, PagePolicy::open},  //
                                       std::pair{"closed"sv, PagePolicy::closed}});
}

void read_refresh(ConfigObject& config, DramConfig& dram) {
  using namespace std::string_view_literals;
  dram.refresh =
      choice(config, "refresh",
             std::array{std::pair{"none"sv, Refresh::none},  //
                        std::pair{"all_bank"sv, Refresh::all_bank}, std::pair{"per_bank"sv, Refresh::per_bank}});
  dram.refresh_phase = choice(config, "refresh_phase",
                              std::array{std::pair{"together"sv, RefreshPhase::together},  //
                                         std::pair{"staggered"sv, RefreshPhase::staggered}});
}

void read_injection(ConfigObject& config, DramConfig& dram) {
  using namespace std::string_view_literals;
  dram.injection = choice(config, "injection",
                          std::array{std::pair{"in_order"sv, Injection::in_order},  //
                                     std::pair{"free"sv, Injection::free}, std::pair{"serial"sv, Injection::serial}});
  dram.injection_per_clock = static_cast<std::uint32_t>(config.integer("injection_per_clock", 1, max_depth));
  dram.batch_sort = choice(config, "batch_sort",
                           std::array{std::pair{"none"sv, BatchSort::none},  //
                                      std::pair{"bank"sv, BatchSort::bank}});
  dram.overhead_ns = config.number("overhead_ns", 0, max_ns);
}

}  // namespace

DramConfig DramConfig::read(ConfigObject& config) {
  config.text("description");
  config.text("source");
  DramConfig dram;
  dram.clock_ps = picoseconds(config, "tCK_ns", 0.001);
  dram.shape = read_shape(config);
  dram.mapping = config.text("mapping");
  const AddressMap checked(where(config, "mapping"), dram.mapping, dram.shape);
  dram.timing = read_timing(config, dram.clock_ps);
  read_controller(config, dram);
  read_refresh(config, dram);
  check_refresh(config, dram);
  read_injection(config, dram);
  return dram;
}

double DramConfig::peak_gb_s() const noexcept {
  const double burst_ns = static_cast<double>(timing.burst) * static_cast<double>(clock_ps) / 1000;
  return static_cast<double>(shape.burst_bytes) / burst_ns * shape.all_channels() * shape.pseudo_channels;
}

}  // namespace dsasim
