#include "memory/hbm/dram_system.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace dsasim {

DramSystem::DramSystem(DramConfig config)
    : config_(std::move(config)), map_("mapping", config_.mapping, config_.shape) {
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

/// The lines of a row follow each other, and the rows of a bank are as far apart as the batch allows: the last of a
/// bank with many would otherwise be alone. Neighbours in this order are in different pseudo-channels, ranks and bank
/// groups, and channels take turns, so that none waits for another's.
std::span<const std::uint64_t> DramSystem::sorted_by_bank(std::span<const std::uint64_t> addresses) {
  lines_.clear();
  for (const std::uint64_t address : addresses) {
    const DramAddress place = map_(address);
    lines_.push_back({place.channel, turn_of_bank(place.bank), place.row, 0, 0, address});
  }
  std::sort(lines_.begin(), lines_.end(), [](const SortedLine& a, const SortedLine& b) {
    return std::tie(a.channel, a.bank, a.row, a.address) < std::tie(b.channel, b.bank, b.row, b.address);
  });
  const auto same_bank = [](const SortedLine& a, const SortedLine& b) {
    return a.channel == b.channel && a.bank == b.bank;
  };
  for (auto first = lines_.begin(); first != lines_.end();) {
    const auto last =
        std::find_if(first, lines_.end(), [&](const SortedLine& line) { return !same_bank(line, *first); });
    space_rows({first, last});
    first = last;
  }
  std::sort(lines_.begin(), lines_.end(), [](const SortedLine& a, const SortedLine& b) {
    return std::tie(a.when, a.bank, a.row, a.line_of_row, a.channel, a.address) <
           std::tie(b.when, b.bank, b.row, b.line_of_row, b.channel, b.address);
  });
  sorted_.resize(lines_.size());
  std::transform(lines_.begin(), lines_.end(), sorted_.begin(), [](const SortedLine& line) { return line.address; });
  return sorted_;
}

/// Gives the rows of a bank's lines their times: the middles of equal parts of the whole.
void DramSystem::space_rows(std::span<SortedLine> lines) {
  constexpr std::uint64_t whole = std::uint64_t{1} << 32U;
  std::uint64_t row = 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const bool same_row = lines[i].row == lines[i - 1].row;
    row += same_row ? 0 : 1;
    lines[i].line_of_row = same_row ? lines[i - 1].line_of_row + 1 : 0;
    lines[i].when = row;
  }
  const std::uint64_t rows = row + 1;
  for (SortedLine& line : lines) {
    line.when = whole * (2 * line.when + 1) / (2 * rows);
  }
}

/// A bank's number with its fields the other way round: the pseudo-channel at the bottom.
std::uint32_t DramSystem::turn_of_bank(std::uint32_t bank) const noexcept {
  const DramShape& shape = config_.shape;
  const std::uint32_t in_group = bank % shape.banks;
  const std::uint32_t group = bank / shape.banks % shape.bank_groups;
  const std::uint32_t rank = bank / shape.banks_of_rank() % shape.ranks;
  const std::uint32_t pseudo_channel = bank / shape.banks_of_pseudo_channel();
  return ((in_group * shape.bank_groups + group) * shape.ranks + rank) * shape.pseudo_channels + pseudo_channel;
}

double DramSystem::mean_latency_ns(const DramCounts& counts) const noexcept {
  return counts.lines == 0 ? 0 : ns(static_cast<double>(counts.latency_clocks) / static_cast<double>(counts.lines));
}

double DramSystem::gb_s(const DramCounts& counts) const noexcept {
  const auto bytes = static_cast<double>(counts.lines * dram_line_bytes);
  return counts.lines == 0 ? 0 : bytes / ns(static_cast<double>(counts.last_return));
}

}  // namespace dsasim
