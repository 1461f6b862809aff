#include "memory/host.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace dsasim {
namespace {

constexpr std::uint64_t lanes = 32;

double rounds(std::uint64_t items, std::uint64_t at_once) {
  const std::uint64_t whole = items / at_once + (items % at_once > 0 ? 1 : 0);
  return static_cast<double>(whole);
}

double passes(std::uint64_t items, const SwapInParameters& p) {
  return rounds(items / lanes + (items % lanes > 0 ? 1 : 0), p.wave_rows);
}

/// log2, whole up to a power of two and linear in between: the same on every machine.
double doublings(std::uint64_t requests) {
  const auto whole = static_cast<unsigned>(std::bit_width(requests)) - 1;
  return whole + static_cast<double>(requests) / static_cast<double>(std::uint64_t{1} << whole) - 1;
}

double lookup_ns(const SwapIn& call, const SwapInParameters& p) {
  constexpr double most_doublings = 4;  // 16 requests keep every multiprocessor's memory busy
  const double slots = passes(call.slots, p);
  return p.lookup_ns + slots * p.lookup_slots_ns + passes(call.selected_rows, p) * p.lookup_selected_ns +
         slots * std::min(doublings(std::max<std::uint64_t>(call.requests, 1)), most_doublings) * p.lookup_batch_ns;
}

double copies_ns(const Gather& gather, const SwapInParameters& p) {
  if (gather.missed_rows == 0) {
    return 0;
  }
  const double row_bytes = static_cast<double>(gather.row_bytes) + p.row_overhead_bytes;
  const double link_ns = static_cast<double>(gather.missed_rows) * row_bytes / p.swap_gb_s;
  const double waves_ns = rounds(gather.swap_in->most_missed_rows, p.wave_rows) * p.wave_ns;
  const double longer = std::max(link_ns, waves_ns);
  const double part = longer == 0 ? 0 : std::min(link_ns, waves_ns) / longer;
  return p.copy_ns + longer * std::sqrt(std::sqrt(1 + part * part * part * part));
}

double rows_ns(const Gather& gather, const HostParameters& p) {
  if (gather.missed_rows == 0) {
    return 0;
  }
  const double transfers = rounds(gather.row_bytes, p.transfer_bytes);
  const double row_ns = transfers * static_cast<double>(p.transfer_bytes) / p.gb_s;
  const std::uint64_t near = std::min(gather.missed_rows, p.reach_rows);
  return p.call_ns + static_cast<double>(near) * row_ns +
         static_cast<double>(gather.missed_rows - near) * std::max(row_ns, p.row_ns);
}

SwapInParameters read_swap_in(ConfigObject& config) {
  constexpr double most_ns = 1e9;
  SwapInParameters p;
  p.lookup_ns = config.number("lookup_ns", 0, most_ns);
  p.lookup_slots_ns = config.number("lookup_slots_ns", 0, most_ns);
  p.lookup_selected_ns = config.number("lookup_selected_ns", 0, most_ns);
  p.lookup_batch_ns = config.number("lookup_batch_ns", 0, most_ns);
  p.copy_ns = config.number("copy_ns", 0, most_ns);
  p.wave_rows = config.integer("wave_rows", 1, 1U << 20U);
  p.wave_ns = config.number("wave_ns", 0, most_ns);
  p.swap_gb_s = config.number("swap_gb_s", 1e-3, 1e6);
  p.row_overhead_bytes = config.number("row_overhead_bytes", 0, 1e9);
  return p;
}

}  // namespace

double HostMemory::gather_ns(const Gather& gather) {
  return gather.swap_in && p_.swap_in ? lookup_ns(*gather.swap_in, *p_.swap_in) + copies_ns(gather, *p_.swap_in)
                                      : rows_ns(gather, p_);
}

HostParameters read_host(ConfigObject& config) {
  config.text("description");
  config.text("source");
  HostParameters p;
  p.call_ns = config.number("call_ns", 0, 1e9);
  p.gb_s = config.number("gb_s", 1e-3, 1e6);
  p.transfer_bytes = config.integer("transfer_bytes", 1, std::uint64_t{1} << 30U);
  if (config.has("reach_rows")) {
    p.reach_rows = config.integer("reach_rows", 0, std::uint64_t{1} << 40U);
    p.row_ns = config.number("row_ns", 0, 1e9);
  }
  if (config.has("lookup_ns")) {
    p.swap_in = read_swap_in(config);
  }
  return p;
}

}  // namespace dsasim
