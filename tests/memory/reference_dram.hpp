#pragma once

#include "memory/hbm/address_map.hpp"
#include "memory/hbm/dram_channel.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace dsasim::test {

/// What docs/memory-hbm.md says, clock by clock: requests in one list, and every command is checked against the history
/// of all commands before it. Slow.
class ReferenceChannel {
 public:
  ReferenceChannel(const DramConfig& config, std::uint32_t number) : config_(config), banks_(64) {
    if (config.refresh != Refresh::none) {
      interval_ = config.timing.refi;
      if (config.refresh == Refresh::per_bank) {
        interval_ /= config.shape.banks_of_pseudo_channel();
      }
      due_ = config.refresh_phase == RefreshPhase::together ? interval_
                                                            : interval_ * (number + 1) / config.shape.all_channels();
    }
  }

  bool has_room(std::uint32_t bank) const {
    if (config_.transaction_depth > 0) {
      return waiting_.size() < config_.transaction_depth;
    }
    return queue_room(bank, /*with_waiting=*/true);
  }

  void arrive(Clock now, const DramAddress& place, std::uint64_t line) {
    if (config_.merge_reads) {
      for (auto* list : {&waiting_, &queue_}) {
        for (Request& request : *list) {
          if (request.line == line) {
            request.injected.push_back(now);
            return;
          }
        }
      }
    }
    Request request;
    request.line = line;
    request.bank = place.bank;
    request.row = place.row;
    request.bursts_left = config_.shape.bursts_of_line();
    request.units = request.bursts_left;
    request.injected = {now};
    waiting_.push_back(request);
  }

  void clock(Clock now) {
    refresh(now);
    give_read(now);
    give_row_command(now);
    move();
  }

  bool idle() const { return waiting_.empty() && queue_.empty(); }
  const DramCounts& counts() const { return counts_; }

 private:
  enum class Kind { activate, read, precharge, refresh };
  struct Command {
    Clock at;
    Kind kind;
    std::uint32_t bank;
  };
  struct Request {
    std::uint64_t line = 0;
    std::uint32_t bank = 0, row = 0, bursts_left = 0;
    std::uint32_t units = 0;  ///< places that it holds in its queue
    bool opened_row = false;
    std::vector<Clock> injected;
  };
  struct Bank {
    std::optional<std::uint32_t> open_row;
    bool fresh = false;  ///< not read since it was activated
    std::uint32_t reads = 0;
    bool refreshing = false;
  };

  std::uint32_t group(std::uint32_t bank) const { return bank / config_.shape.banks; }
  std::uint32_t rank(std::uint32_t bank) const { return bank / config_.shape.banks_of_rank(); }
  std::uint32_t pseudo_channel(std::uint32_t bank) const { return bank / config_.shape.banks_of_pseudo_channel(); }

  bool queue_room(std::uint32_t bank, bool with_waiting) const {
    std::uint32_t used = 0;
    const auto add = [&](const Request& request) {
      if (config_.queue == QueueKind::channel || request.bank == bank) {
        used += request.units;
      }
    };
    std::for_each(queue_.begin(), queue_.end(), add);
    if (with_waiting) {
      std::for_each(waiting_.begin(), waiting_.end(), add);
    }
    return used + config_.shape.bursts_of_line() <= config_.queue_depth;
  }

  /// Whether `distance` clocks have passed since the last command of the kind that `related` says yes to.
  bool passed(Clock now, Kind kind, Clock distance, const std::function<bool(std::uint32_t)>& related) const {
    return std::none_of(history_.begin(), history_.end(), [&](const Command& command) {
      return command.kind == kind && related(command.bank) && now < command.at + distance;
    });
  }

  bool bank_may_activate(std::uint32_t bank, Clock now) const {
    const auto same_bank = [bank](std::uint32_t other) { return other == bank; };
    const Clock rfc = config_.refresh == Refresh::per_bank ? config_.timing.rfc_bank : config_.timing.rfc;
    return passed(now, Kind::activate, config_.timing.rc, same_bank) &&
           passed(now, Kind::precharge, config_.timing.rp, same_bank) && passed(now, Kind::refresh, rfc, same_bank);
  }

  bool may_activate(std::uint32_t bank, Clock now) const {
    const auto same_group = [&](std::uint32_t other) { return group(other) == group(bank); };
    const auto same_channel = [&](std::uint32_t other) { return pseudo_channel(other) == pseudo_channel(bank); };
    const auto recent = std::count_if(history_.begin(), history_.end(), [&](const Command& command) {
      return command.kind == Kind::activate && same_channel(command.bank) && now < command.at + config_.timing.faw;
    });
    return bank_may_activate(bank, now) && recent < 4 &&
           passed(now, Kind::activate, config_.timing.rrd_l, same_group) &&
           passed(now, Kind::activate, config_.timing.rrd_s, same_channel);
  }

  bool may_read(std::uint32_t bank, Clock now) const {
    const auto same_bank = [bank](std::uint32_t other) { return other == bank; };
    const auto same_group = [&](std::uint32_t other) { return group(other) == group(bank); };
    const auto same_rank = [&](std::uint32_t other) { return rank(other) == rank(bank); };
    const auto other_rank = [&](std::uint32_t other) {
      return rank(other) != rank(bank) && pseudo_channel(other) == pseudo_channel(bank);
    };
    return passed(now, Kind::activate, config_.timing.rcd, same_bank) &&
           passed(now, Kind::read, config_.timing.ccd_l, same_group) &&
           passed(now, Kind::read, config_.timing.ccd_s, same_rank) &&
           passed(now, Kind::read, config_.timing.ccd_r, other_rank);
  }

  bool may_precharge(std::uint32_t bank, Clock now) const {
    const auto same_bank = [bank](std::uint32_t other) { return other == bank; };
    return passed(now, Kind::activate, config_.timing.ras, same_bank) &&
           passed(now, Kind::read, config_.timing.rtp, same_bank);
  }

  bool hit(const Request& request) const { return banks_[request.bank].open_row == request.row; }

  void close(std::uint32_t bank, Clock at) {
    history_.push_back({at, Kind::precharge, bank});
    banks_[bank].open_row.reset();
    banks_[bank].fresh = false;
    ++counts_.precharges;
  }

  // Refresh: from when it is due, its banks have no commands but those that it needs.
  void refresh(Clock now) {
    if (now >= due_ && !refreshing_) {
      start_refresh();
    }
    if (!refreshing_) {
      return;
    }
    const bool activated_first = config_.entry_until == EntryUntil::activate;
    if (config_.refresh == Refresh::all_bank && activated_first && waits_for_reads_) {
      if (std::any_of(banks_.begin(), banks_.end(), [](const Bank& bank) { return bank.fresh; })) {
        return;
      }
      waits_for_reads_ = false;
    }
    bool all_done = true;
    for (const std::vector<std::uint32_t>& banks : refresh_banks_) {
      all_done = refresh_together(banks, now) && all_done;
    }
    refreshing_ = !all_done;
  }

  void start_refresh() {
    refreshing_ = true;
    waits_for_reads_ = true;
    due_ += interval_;
    refresh_banks_.clear();
    const std::uint32_t count = config_.shape.banks_of_pseudo_channel();
    if (config_.refresh == Refresh::all_bank) {
      refresh_banks_.emplace_back();
      for (std::uint32_t bank = 0; bank < config_.shape.banks_of_channel(); ++bank) {
        refresh_banks_[0].push_back(bank);
      }
    } else {
      for (std::uint32_t i = 0; i < config_.shape.pseudo_channels; ++i) {
        refresh_banks_.push_back({i * count + next_bank_});
      }
      next_bank_ = (next_bank_ + 1) % count;
    }
    for (const auto& banks : refresh_banks_) {
      for (const std::uint32_t bank : banks) {
        banks_[bank].refreshing = true;
        if (config_.refresh == Refresh::per_bank && config_.entry_until == EntryUntil::activate) {
          take_units_back(bank);
        }
      }
    }
  }

  /// Precharges them together, when all open ones can be, then refreshes them. True once that is done.
  bool refresh_together(const std::vector<std::uint32_t>& banks, Clock now) {
    if (!banks_[banks[0]].refreshing) {
      return true;
    }
    const auto open = [&](std::uint32_t bank) { return banks_[bank].open_row.has_value(); };
    if (std::any_of(banks.begin(), banks.end(), open)) {
      if (std::all_of(banks.begin(), banks.end(),
                      [&](std::uint32_t bank) { return !open(bank) || may_precharge(bank, now); })) {
        for (const std::uint32_t bank : banks) {
          if (open(bank)) {
            close(bank, now);
          }
        }
      }
      return false;
    }
    if (!std::all_of(banks.begin(), banks.end(), [&](std::uint32_t bank) { return bank_may_activate(bank, now); })) {
      return false;
    }
    for (const std::uint32_t bank : banks) {
      history_.push_back({now, Kind::refresh, bank});
      banks_[bank].refreshing = false;
    }
    ++counts_.refreshes;
    return true;
  }

  /// A row that was opened and not read: its request needs its place again.
  void take_units_back(std::uint32_t bank) {
    for (Request& request : queue_) {
      if (banks_[bank].fresh && request.bank == bank && hit(request)) {
        request.units = request.bursts_left;
        return;
      }
    }
  }

  bool blocked(std::uint32_t bank, bool fresh_allowed) const {
    return banks_[bank].refreshing && !(fresh_allowed && config_.refresh == Refresh::all_bank && waits_for_reads_ &&
                                        config_.entry_until == EntryUntil::activate && banks_[bank].fresh);
  }

  /// Smaller goes first.
  std::uint64_t rank_of(std::size_t index) const {
    if (config_.arbitration == Arbitration::round_robin) {
      const std::uint32_t count = config_.shape.banks_of_channel();
      return (queue_[index].bank + count - turn_ - 1) % count;
    }
    return index;
  }

  void give_read(Clock now) {
    std::optional<std::size_t> best;
    const auto key = [&](std::size_t index) {
      const bool first = config_.entry_until == EntryUntil::activate && banks_[queue_[index].bank].fresh;
      return std::pair(first ? 0 : 1, rank_of(index));
    };
    for (std::size_t i = 0; i < queue_.size(); ++i) {
      const Request& request = queue_[i];
      if (!hit(request) || blocked(request.bank, true) || !may_read(request.bank, now) ||
          (config_.scheduling == Scheduling::fcfs && i > 0)) {
        continue;
      }
      if (!best || key(i) < key(*best)) {
        best = i;
      }
    }
    if (best) {
      read(*best, now);
    }
  }

  void read(std::size_t index, Clock now) {
    Request& request = queue_[index];
    const std::uint32_t bank = request.bank;
    history_.push_back({now, Kind::read, bank});
    ++counts_.read_commands;
    turn_ = bank;
    ++banks_[bank].reads;
    banks_[bank].fresh = false;
    --request.bursts_left;
    request.units = std::min(request.units, request.bursts_left);
    if (request.bursts_left == 0) {
      const Clock returned = now + config_.timing.cl + config_.timing.burst;
      for (const Clock injected : request.injected) {
        ++counts_.lines;
        counts_.latency_clocks += static_cast<std::uint64_t>(returned - injected);
      }
      counts_.last_return = returned;
      counts_.row_hits += request.injected.size() - (request.opened_row ? 1 : 0);
      queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(index));
    }
    const bool more = std::any_of(queue_.begin(), queue_.end(),
                                  [&](const Request& other) { return other.bank == bank && hit(other); });
    if (config_.page_policy == PagePolicy::closed && !more) {
      Clock closing = now;
      while (!may_precharge(bank, closing)) {
        ++closing;
      }
      close(bank, closing);
    }
  }

  /// Whether request `index` may have its bank's row closed.
  bool wants_precharge(std::size_t index) const {
    const Request& request = queue_[index];
    const Bank& bank = banks_[request.bank];
    if (!bank.open_row || hit(request) || bank.fresh) {
      return false;
    }
    bool hits = false;
    bool oldest = true;
    for (std::size_t i = 0; i < queue_.size(); ++i) {
      hits = hits || (queue_[i].bank == request.bank && hit(queue_[i]));
      oldest = oldest && (i >= index || queue_[i].bank != request.bank);
    }
    if (config_.scheduling == Scheduling::fcfs) {
      return index == 0;
    }
    const bool limit = config_.row_hit_limit > 0 && bank.reads >= config_.row_hit_limit;
    return config_.close_row == CloseRow::wanted || !hits || (oldest && limit);
  }

  void give_row_command(Clock now) {
    const bool draining = refreshing_ && config_.refresh == Refresh::all_bank;
    if (now < row_bus_ || draining) {
      return;
    }
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < queue_.size(); ++i) {
      const std::uint32_t bank = queue_[i].bank;
      const bool ready =
          banks_[bank].open_row ? wants_precharge(i) && may_precharge(bank, now) : may_activate(bank, now);
      if (!ready || blocked(bank, false) || (config_.scheduling == Scheduling::fcfs && i > 0)) {
        continue;
      }
      if (!best || rank_of(i) < rank_of(*best)) {
        best = i;
      }
    }
    if (!best) {
      return;
    }
    Request& request = queue_[*best];
    Bank& bank = banks_[request.bank];
    turn_ = request.bank;
    if (bank.open_row) {
      close(request.bank, now);
      row_bus_ = now + 1;
      return;
    }
    history_.push_back({now, Kind::activate, request.bank});
    ++counts_.activates;
    row_bus_ = now + config_.timing.act_command;
    bank = {request.row, true, 0, false};
    request.opened_row = true;
    if (config_.entry_until == EntryUntil::activate) {
      --request.units;
    }
  }

  void move() {
    for (std::size_t i = 0; i < waiting_.size();) {
      if (config_.transaction_depth > 0 && !queue_room(waiting_[i].bank, false)) {
        ++i;
        continue;
      }
      queue_.push_back(waiting_[i]);
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      if (config_.transaction_depth > 0) {
        return;
      }
    }
  }

  DramConfig config_;
  std::vector<Bank> banks_;
  std::vector<Command> history_;
  std::deque<Request> waiting_;
  std::deque<Request> queue_;
  std::uint32_t turn_ = 0;
  Clock row_bus_ = 0;
  Clock interval_ = never;
  Clock due_ = never;
  bool refreshing_ = false;
  bool waits_for_reads_ = false;
  std::vector<std::vector<std::uint32_t>> refresh_banks_;
  std::uint32_t next_bank_ = 0;
  DramCounts counts_;
};

inline void inject(const DramConfig& config, const AddressMap& map, std::vector<ReferenceChannel>& channels,
                   std::span<const std::uint64_t> addresses, std::vector<bool>& arrived, std::size_t first, Clock now) {
  std::uint32_t injected = 0;
  std::vector<bool> stalled(channels.size());  // within a channel, lines stay in order
  for (std::size_t i = first; i < addresses.size(); ++i) {
    const DramAddress place = map(addresses[i]);
    ReferenceChannel& channel = channels[place.channel];
    if (arrived[i] || stalled[place.channel]) {
      continue;
    }
    const bool limited = (config.injection == Injection::serial && injected == 1) ||
                         (config.injection == Injection::in_order && injected == config.injection_per_clock);
    if (limited) {
      return;
    }
    if (channel.has_room(place.bank)) {
      channel.arrive(now, place, addresses[i] / dram_line_bytes);
      arrived[i] = true;
      ++injected;
    } else if (config.injection == Injection::in_order) {
      return;
    } else {
      stalled[place.channel] = true;
    }
  }
}

inline DramCounts reference_run(const DramConfig& config, std::span<const std::uint64_t> addresses) {
  const AddressMap map("mapping", config.mapping, config.shape);
  std::vector<ReferenceChannel> channels;
  for (std::uint32_t i = 0; i < config.shape.all_channels(); ++i) {
    channels.emplace_back(config, i);
  }
  const auto idle = [&] {
    return std::all_of(channels.begin(), channels.end(), [](const auto& channel) { return channel.idle(); });
  };
  DramCounts counts;
  std::vector<bool> arrived(addresses.size());
  std::size_t first = 0;
  for (Clock now = 0; first < addresses.size() || !idle(); ++now) {
    if (config.injection != Injection::serial || (idle() && now >= counts.last_return)) {
      inject(config, map, channels, addresses, arrived, first, now);
    }
    while (first < addresses.size() && arrived[first]) {
      ++first;
    }
    counts = {};
    for (std::uint32_t i = 0; i < channels.size(); ++i) {
      // A channel that has returned its last line is not refreshed any more.
      bool done = channels[i].idle();
      for (std::size_t j = first; j < addresses.size(); ++j) {
        done = done && (arrived[j] || map(addresses[j]).channel != i);
      }
      if (!done) {
        channels[i].clock(now);
      }
      counts.add(channels[i].counts());
    }
  }
  return counts;
}

}  // namespace dsasim::test
