#include "memory/hbm/dram_system.hpp"

#include <algorithm>
#include <tuple>

namespace dsasim {

DramSystem::DramSystem(const DramConfig& config) : config_(config), map_("mapping", config_.mapping, config_.shape) {
  channels_.reserve(config_.shape.all_channels());
  for (std::uint32_t i = 0; i < config_.shape.all_channels(); ++i) {
    channels_.emplace_back(config_, i);
  }
}

DramCounts DramSystem::run(std::span<const std::uint64_t> addresses) {
  if (config_.batch_sort == BatchSort::bank) {
    addresses = sorted_by_bank(addresses);
  }
  switch (config_.injection) {
    case Injection::in_order:
      run_in_order(addresses);
      break;
    case Injection::free:
      run_free(addresses);
      break;
    case Injection::serial:
      run_serial(addresses);
      break;
  }
  DramCounts counts;
  for (DramChannel& channel : channels_) {
    if (channel.touched()) {
      channel.finish();
      counts.add(channel.counts());
      channel.reset();
    }
  }
  return counts;
}

void DramSystem::run_in_order(std::span<const std::uint64_t> addresses) {
  Clock now = 0;
  std::uint32_t injected = 0;
  for (const std::uint64_t address : addresses) {
    const DramAddress place = map_(address);
    DramChannel& channel = channels_[place.channel];
    if (injected == config_.injection_per_clock) {
      ++now;
      injected = 0;
    }
    channel.advance(now);
    if (!channel.has_room(now, place.bank)) {
      now = channel.wait_for_room(now, place.bank);
      injected = 0;
    }
    channel.arrive(now, place, address / dram_line_bytes);
    ++injected;
  }
}

void DramSystem::run_free(std::span<const std::uint64_t> addresses) {
  std::vector<Clock> now(channels_.size());
  for (const std::uint64_t address : addresses) {
    const DramAddress place = map_(address);
    DramChannel& channel = channels_[place.channel];
    channel.advance(now[place.channel]);
    if (!channel.has_room(now[place.channel], place.bank)) {
      now[place.channel] = channel.wait_for_room(now[place.channel], place.bank);
    }
    channel.arrive(now[place.channel], place, address / dram_line_bytes);
  }
}

void DramSystem::run_serial(std::span<const std::uint64_t> addresses) {
  Clock now = 0;
  for (const std::uint64_t address : addresses) {
    const DramAddress place = map_(address);
    DramChannel& channel = channels_[place.channel];
    channel.advance(now);
    channel.arrive(now, place, address / dram_line_bytes);
    channel.finish();
    now = channel.counts().last_return;
  }
}

std::span<const std::uint64_t> DramSystem::sorted_by_bank(std::span<const std::uint64_t> addresses) {
  struct Line {
    std::uint32_t turn;  // of its row among the rows of its bank
    DramAddress place;
    std::uint32_t column;  // among the lines of its row
    std::uint64_t address;
  };
  // Rows of a bank one after the other, banks side by side: the first row of every bank, then the second of every bank.
  std::vector<Line> lines;
  lines.reserve(addresses.size());
  for (const std::uint64_t address : addresses) {
    lines.push_back({0, map_(address), 0, address});
  }
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::tie(a.place.channel, a.place.bank, a.place.row, a.address) <
           std::tie(b.place.channel, b.place.bank, b.place.row, b.address);
  });
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const Line& last = lines[i - 1];
    const bool same_bank = last.place.channel == lines[i].place.channel && last.place.bank == lines[i].place.bank;
    const bool same_row = same_bank && last.place.row == lines[i].place.row;
    lines[i].turn = same_bank ? last.turn + (same_row ? 0 : 1) : 0;
    lines[i].column = same_row ? last.column + 1 : 0;
  }
  // Channels take turns, so that none waits for another's.
  std::sort(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::tie(a.turn, a.place.bank, a.column, a.place.channel, a.address) <
           std::tie(b.turn, b.place.bank, b.column, b.place.channel, b.address);
  });
  sorted_.resize(lines.size());
  std::transform(lines.begin(), lines.end(), sorted_.begin(), [](const Line& line) { return line.address; });
  return sorted_;
}

double DramSystem::mean_latency_ns(const DramCounts& counts) const noexcept {
  return counts.lines == 0 ? 0 : ns(static_cast<double>(counts.latency_clocks) / static_cast<double>(counts.lines));
}

double DramSystem::gb_s(const DramCounts& counts) const noexcept {
  const auto bytes = static_cast<double>(counts.lines * dram_line_bytes);
  return counts.lines == 0 ? 0 : bytes / ns(static_cast<double>(counts.last_return));
}

}  // namespace dsasim
