#include "memory/hbm/dram_channel.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace dsasim {
namespace {

/// Before the first clock by more than any time in a configuration.
constexpr Clock long_ago = -(Clock{1} << 40U);
constexpr std::size_t filter_size = 2048;

std::size_t filter_slot(std::uint64_t line) {
  return (line * 0x9E3779B97F4A7C15U) >> 53U;
}

constexpr std::uint64_t bit(std::uint32_t bank) {
  return std::uint64_t{1} << bank;
}

template <class Action>
void for_each_bank(std::uint64_t banks, Action action) {
  for (; banks != 0; banks &= banks - 1) {
    action(static_cast<std::uint32_t>(std::countr_zero(banks)));
  }
}

}  // namespace

void DramCounts::add(const DramCounts& other) noexcept {
  lines += other.lines;
  latency_clocks += other.latency_clocks;
  last_return = std::max(last_return, other.last_return);
  read_commands += other.read_commands;
  row_hits += other.row_hits;
  activates += other.activates;
  precharges += other.precharges;
  refreshes += other.refreshes;
}

DramChannel::DramChannel(const DramConfig& config, std::uint32_t number)
    : config_(&config),
      number_(number),
      bursts_(config.shape.bursts_of_line()),
      group_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks))),
      pseudo_channel_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks_of_pseudo_channel()))),
      filter_(config.merge_reads ? filter_size : 0) {
  if (config.refresh != Refresh::none) {
    refresh_interval_ = config.timing.refi;
    if (config.refresh == Refresh::per_bank) {
      refresh_interval_ /= config.shape.banks_of_pseudo_channel();
    }
    first_refresh_ = config.refresh_phase == RefreshPhase::together
                         ? refresh_interval_
                         : refresh_interval_ * (number + 1) / config.shape.all_channels();
  }
  reset();
}

void DramChannel::reset() {
  entries_.clear();
  free_ = none;
  waiting_ = {};
  waiting_count_ = 0;
  entered_ = outstanding_ = 0;
  hits_.fill({});
  others_.fill({});
  used_.fill(0);
  std::fill(filter_.begin(), filter_.end(), std::uint8_t{0});
  open_ = fresh_ = hit_ = other_ = to_precharge_ = 0;
  bank_read_.fill(long_ago);
  bank_precharge_.fill(long_ago);
  bank_activate_.fill(long_ago);
  group_read_.fill(long_ago);
  group_activate_.fill(long_ago);
  activate_allowed_.fill(long_ago);
  last_activates_.fill({long_ago, long_ago, long_ago, long_ago});
  last_activate_.fill(0);
  row_bus_ = 0;
  next_read_.fill(never);
  next_activate_.fill(never);
  next_precharge_ = next_move_ = never;
  next_ = refresh_due_ = first_refresh_;
  turn_ = refresh_bank_ = 0;
  draining_ = freed_ = touched_ = false;
  oldest_bank_ = none;
  counts_ = {};
}

// ---- Arrivals ----

bool DramChannel::has_room(std::uint32_t bank) const noexcept {
  return config_->transaction_depth > 0 ? waiting_count_ < config_->transaction_depth : queue_has_room(bank);
}

Clock DramChannel::wait_for_room(std::uint32_t bank) {
  Clock now = 0;
  while (!has_room(bank)) {
    now = next_;
    play(now);
  }
  return now + 1;
}

void DramChannel::arrive(Clock now, const DramAddress& address, std::uint64_t line) {
  assert(has_room(address.bank) && next_ >= now);
  touched_ = true;
  if (config_->merge_reads) {
    if (filter_[filter_slot(line)] > 0 && merge(line, address.bank, now)) {
      return;
    }
    ++filter_[filter_slot(line)];
  }
  const std::uint32_t index = take_entry();
  entries_[index] = {.line = line,
                     .injected = now,
                     .reads = 1,
                     .row = address.row,
                     .bank = static_cast<std::uint8_t>(address.bank),
                     .bursts_left = static_cast<std::uint8_t>(bursts_)};
  push(waiting_, index);
  ++waiting_count_;
  ++outstanding_;
  if (config_->transaction_depth == 0) {
    used(address.bank) += bursts_;
  }
  next_move_ = std::min(next_move_, now);
  next_ = std::min(next_, now);
}

bool DramChannel::merge(std::uint64_t line, std::uint32_t bank, Clock now) {
  return merge_into(waiting_, line, now) || merge_into(hits_[bank], line, now) || merge_into(others_[bank], line, now);
}

bool DramChannel::merge_into(const List& list, std::uint64_t line, Clock now) {
  for (std::uint32_t index = list.head; index != none; index = entries_[index].next) {
    if (entries_[index].line == line) {
      entries_[index].injected += now;
      ++entries_[index].reads;
      return true;
    }
  }
  return false;
}

void DramChannel::finish() {
  while (outstanding_ > 0) {
    play(next_);
  }
}

// ---- A clock ----

void DramChannel::play(Clock now) {
  assert(now != never);
  freed_ = false;
  if (now >= refresh_due_) {
    refresh(now);
  }
  find_oldest(now);
  give_read(now);
  if (row_bus_ <= now && !draining_) {
    find_oldest(now);
    give_row_command(now);
  }
  if (waiting_.head != none && (freed_ || next_move_ <= now)) {
    move_waiting(now);
  }
  plan(now);
}

void DramChannel::plan(Clock now) {
  Clock row = next_precharge_;
  Clock next = std::min(next_move_, refresh_due_);
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    next = std::min(next, next_read_[i]);
    row = std::min(row, std::max(next_activate_[i], activate_allowed_[i]));
  }
  next_ = std::max(now + 1, std::min(next, std::max(row, row_bus_)));
}

std::uint64_t DramChannel::rank(std::uint32_t bank, std::uint64_t order) const noexcept {
  if (config_->arbitration == Arbitration::round_robin) {
    return (bank - turn_ - 1) & (config_->shape.banks_of_channel() - 1);
  }
  return order;
}

std::uint64_t DramChannel::banks_of(std::uint32_t pseudo_channel) const noexcept {
  const std::uint32_t count = config_->shape.banks_of_pseudo_channel();
  return (~std::uint64_t{0} >> (most_banks - count)) << (pseudo_channel * count);
}

template <class ReadyAt>
void DramChannel::search(std::uint64_t banks, Clock now, const PerBank<std::uint64_t>& order, ReadyAt ready_at,
                         Found& found) const {
  for_each_bank(banks, [&](std::uint32_t bank) {
    const Clock ready = ready_at(bank);
    if (ready > now) {
      found.later = std::min(found.later, ready);
      return;
    }
    ++found.ready;
    const std::uint64_t rank_here = rank(bank, order[bank]);
    if (rank_here < found.rank) {
      found.rank = rank_here;
      found.bank = bank;
    }
  });
}

void DramChannel::find_oldest(Clock now) {
  if (config_->scheduling != Scheduling::fcfs || oldest_bank_ != none) {
    return;
  }
  oldest_ = ~std::uint64_t{0};
  const auto consider = [&](const PerBank<std::uint64_t>& order) {
    return [&](std::uint32_t bank) {
      if (order[bank] < oldest_) {
        oldest_ = order[bank];
        oldest_bank_ = bank;
      }
    };
  };
  for_each_bank(hit_, consider(hit_order_));
  for_each_bank(other_, consider(other_order_));
  next_read_.fill(now);
  next_activate_.fill(now);
  next_precharge_ = now;
}

// ---- Commands ----

void DramChannel::give_read(Clock now) {
  // Rows opened for a request that has left the queue are read first.
  const bool fresh_first = config_->entry_until == EntryUntil::activate;
  std::uint64_t allowed = draining_ ? hit_ & fresh_ : hit_;
  if (config_->scheduling == Scheduling::fcfs) {
    const bool hits = oldest_bank_ != none && (hit_ & bit(oldest_bank_)) != 0 && hit_order_[oldest_bank_] == oldest_;
    allowed = hits ? allowed & bit(oldest_bank_) : 0;
  }
  Found best;
  bool best_fresh = false;
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    if (next_read_[i] > now) {
      continue;
    }
    const auto ready_at = [this](std::uint32_t bank) {
      return std::max(bank_read_[bank], group_read_[group_of(bank)]);
    };
    const std::uint64_t here = allowed & banks_of(i);
    Found found;
    bool fresh = false;
    if (fresh_first && (here & fresh_) != 0) {
      search(here & fresh_, now, hit_order_, ready_at, found);
      fresh = found.bank != none;
    }
    if (!fresh) {
      search(fresh_first ? here & ~fresh_ : here, now, hit_order_, ready_at, found);
    }
    if (found.bank == none) {
      next_read_[i] = found.later;
    } else if (best.bank == none || fresh > best_fresh || (fresh == best_fresh && found.rank < best.rank)) {
      best = found;
      best_fresh = fresh;
    }
  }
  if (best.bank != none) {
    read(best.bank, now);
  }
}

void DramChannel::read(std::uint32_t bank, Clock now) {
  const DramTiming& timing = config_->timing;
  const std::uint32_t group = group_of(bank);
  const std::uint32_t channel = pseudo_channel_of(bank);
  const std::uint32_t ranks = config_->shape.ranks;
  const std::uint32_t groups = config_->shape.bank_groups;
  for (std::uint32_t rank = channel * ranks; rank < (channel + 1) * ranks; ++rank) {
    const Clock other = now + (rank == group / groups ? timing.ccd_s : timing.ccd_r);
    for (std::uint32_t i = rank * groups; i < (rank + 1) * groups; ++i) {
      group_read_[i] = std::max(group_read_[i], other);
    }
  }
  group_read_[group] = std::max(group_read_[group], now + timing.ccd_l);
  next_read_[channel] = now + (ranks > 1 ? std::min(timing.ccd_s, timing.ccd_r) : timing.ccd_s);
  bank_precharge_[bank] = std::max(bank_precharge_[bank], now + timing.rtp);
  ++row_reads_[bank];
  ++counts_.read_commands;
  turn_ = bank;

  Entry& entry = entries_[hits_[bank].head];
  const bool left_with_activate = config_->entry_until == EntryUntil::activate && (fresh_ & bit(bank)) != 0;
  if (!left_with_activate) {
    --used(bank);
    freed_ = true;
  }
  fresh_ &= ~bit(bank);
  if (--entry.bursts_left == 0) {
    const Clock returned = now + timing.cl + timing.burst;
    counts_.lines += entry.reads;
    counts_.latency_clocks += static_cast<std::uint64_t>(entry.reads * returned - entry.injected);
    counts_.last_return = std::max(counts_.last_return, returned);
    counts_.row_hits += entry.reads - (entry.opened_row ? 1 : 0);
    if (config_->merge_reads) {
      --filter_[filter_slot(entry.line)];
    }
    const std::uint32_t index = pop(hits_[bank]);
    entries_[index].next = free_;
    free_ = index;
    --outstanding_;
    oldest_bank_ = none;
  }
  if (config_->page_policy == PagePolicy::closed && hits_[bank].head == none) {
    // Auto-precharge: it needs no command of its own.
    bank_activate_[bank] = std::max(bank_activate_[bank], bank_precharge_[bank] + timing.rp);
    close(bank);
    ++counts_.precharges;
  }
  update(bank);
}

void DramChannel::give_row_command(Clock now) {
  const bool fcfs = config_->scheduling == Scheduling::fcfs;
  std::uint64_t allowed = other_;
  if (fcfs) {
    const bool other =
        oldest_bank_ != none && (other_ & bit(oldest_bank_)) != 0 && other_order_[oldest_bank_] == oldest_;
    allowed = other ? bit(oldest_bank_) : 0;
  }
  Found to_activate;
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    if (std::max(next_activate_[i], activate_allowed_[i]) > now) {
      continue;
    }
    Found found;
    search(
        allowed & ~open_ & banks_of(i), now, other_order_,
        [this](std::uint32_t bank) { return std::max(bank_activate_[bank], group_activate_[group_of(bank)]); }, found);
    if (found.bank == none) {
      next_activate_[i] = found.later;
    } else if (found.rank < to_activate.rank) {
      to_activate = found;
    }
  }
  Found to_precharge;
  if (next_precharge_ <= now) {
    search(
        allowed & to_precharge_, now, other_order_, [this](std::uint32_t bank) { return bank_precharge_[bank]; },
        to_precharge);
    if (to_precharge.ready <= 1) {
      next_precharge_ = to_precharge.later;
    }
  }
  if (to_activate.bank != none && to_activate.rank < to_precharge.rank) {
    if (to_precharge.bank != none) {
      next_precharge_ = now;
    }
    activate(to_activate.bank, now);
  } else if (to_precharge.bank != none) {
    precharge(to_precharge.bank, now);
  }
}

void DramChannel::activate(std::uint32_t bank, Clock now) {
  const DramTiming& timing = config_->timing;
  const std::uint32_t channel = pseudo_channel_of(bank);
  bank_read_[bank] = now + timing.rcd;
  bank_precharge_[bank] = now + timing.ras;
  bank_activate_[bank] = now + timing.rc;
  group_activate_[group_of(bank)] = now + timing.rrd_l;
  auto& ring = last_activates_[channel];
  ring[last_activate_[channel]] = now;
  last_activate_[channel] = (last_activate_[channel] + 1) % 4;
  activate_allowed_[channel] = std::max(now + timing.rrd_s, ring[last_activate_[channel]] + timing.faw);
  row_bus_ = now + timing.act_command;
  turn_ = bank;
  ++counts_.activates;

  open_ |= bit(bank);
  fresh_ |= bit(bank);
  row_reads_[bank] = 0;
  row_[bank] = entries_[others_[bank].head].row;
  entries_[others_[bank].head].opened_row = true;
  List waiting = others_[bank];
  others_[bank] = {};
  while (waiting.head != none) {
    const std::uint32_t index = pop(waiting);
    push(entries_[index].row == row_[bank] ? hits_[bank] : others_[bank], index);
  }
  if (config_->entry_until == EntryUntil::activate) {
    --used(bank);
    freed_ = true;
  }
  update(bank);
}

void DramChannel::precharge(std::uint32_t bank, Clock now) {
  bank_activate_[bank] = std::max(bank_activate_[bank], now + config_->timing.rp);
  row_bus_ = now + 1;
  turn_ = bank;
  ++counts_.precharges;
  close(bank);
  update(bank);
}

/// What still wants the row waits with the others again, in its order.
void DramChannel::close(std::uint32_t bank) {
  open_ &= ~bit(bank);
  fresh_ &= ~bit(bank);
  List& hits = hits_[bank];
  List& others = others_[bank];
  List merged;
  while (hits.head != none || others.head != none) {
    const bool hit_first =
        others.head == none || (hits.head != none && entries_[hits.head].order < entries_[others.head].order);
    push(merged, pop(hit_first ? hits : others));
  }
  others = merged;
}

// ---- Refresh ----

void DramChannel::refresh(Clock now) {
  if (config_->refresh == Refresh::per_bank) {
    refresh_one_bank(now);
  } else if (config_->entry_until == EntryUntil::activate && fresh_ != 0) {
    draining_ = true;
  } else {
    draining_ = false;
    refresh_all_banks(now);
  }
}

/// Closes these banks as soon as all can be; returns when they are ready for a refresh.
Clock DramChannel::close_for_refresh(std::uint64_t banks, Clock now) {
  Clock closing = now;
  for_each_bank(banks & open_, [&](std::uint32_t bank) { closing = std::max(closing, bank_precharge_[bank]); });
  Clock ready = now;
  for_each_bank(banks, [&](std::uint32_t bank) {
    if ((open_ & bit(bank)) != 0) {
      bank_activate_[bank] = std::max(bank_activate_[bank], closing + config_->timing.rp);
      if (config_->entry_until == EntryUntil::activate && (fresh_ & bit(bank)) != 0) {
        ++used(bank);
      }
      close(bank);
      ++counts_.precharges;
    }
    ready = std::max(ready, bank_activate_[bank]);
  });
  return ready;
}

void DramChannel::refresh_all_banks(Clock now) {
  const std::uint32_t count = config_->shape.banks_of_channel();
  const Clock start = close_for_refresh(~std::uint64_t{0} >> (most_banks - count), now);
  for (std::uint32_t bank = 0; bank < count; ++bank) {
    bank_activate_[bank] = start + config_->timing.rfc;
    update(bank);
  }
  ++counts_.refreshes;
  refresh_due_ += refresh_interval_;
}

void DramChannel::refresh_one_bank(Clock now) {
  const std::uint32_t count = config_->shape.banks_of_pseudo_channel();
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    const std::uint32_t bank = i * count + refresh_bank_;
    bank_activate_[bank] = close_for_refresh(bit(bank), now) + config_->timing.rfc_bank;
    update(bank);
    ++counts_.refreshes;
  }
  refresh_bank_ = (refresh_bank_ + 1) % count;
  refresh_due_ += refresh_interval_;
}

// ---- Queues ----

void DramChannel::move_waiting(Clock now) {
  const bool one_a_clock = config_->transaction_depth > 0;
  next_move_ = never;
  std::uint32_t before = none;
  std::uint32_t index = waiting_.head;
  while (index != none) {
    const std::uint32_t next = entries_[index].next;
    const std::uint32_t bank = entries_[index].bank;
    if (one_a_clock && !queue_has_room(bank)) {
      before = index;
      index = next;
      continue;
    }
    (before == none ? waiting_.head : entries_[before].next) = next;
    if (waiting_.tail == index) {
      waiting_.tail = before;
    }
    --waiting_count_;
    if (one_a_clock) {
      used(bank) += bursts_;
    }
    enqueue(index);
    if (one_a_clock) {
      next_move_ = waiting_.head == none ? never : now + 1;
      return;
    }
    index = next;
  }
}

void DramChannel::enqueue(std::uint32_t index) {
  Entry& entry = entries_[index];
  entry.order = entered_++;
  const std::uint32_t bank = entry.bank;
  const bool hit = (open_ & bit(bank)) != 0 && row_[bank] == entry.row;
  push(hit ? hits_[bank] : others_[bank], index);
  update(bank);
}

/// The bits of a bank and the bounds that it lowers, after any change of its state or lists.
void DramChannel::update(std::uint32_t bank) {
  const auto set = [bank](std::uint64_t& banks, bool value) {
    banks = (banks & ~bit(bank)) | (std::uint64_t{value} << bank);
  };
  const bool open = (open_ & bit(bank)) != 0;
  const bool hit = hits_[bank].head != none;
  const bool other = others_[bank].head != none;
  set(hit_, hit);
  set(other_, other);
  const std::uint32_t group = group_of(bank);
  const std::uint32_t channel = pseudo_channel_of(bank);
  if (hit) {
    hit_order_[bank] = entries_[hits_[bank].head].order;
    next_read_[channel] = std::min(next_read_[channel], std::max(bank_read_[bank], group_read_[group]));
  }
  bool closing = false;
  if (other) {
    other_order_[bank] = entries_[others_[bank].head].order;
    if (!open) {
      next_activate_[channel] =
          std::min(next_activate_[channel], std::max(bank_activate_[bank], group_activate_[group]));
    } else if ((fresh_ & bit(bank)) == 0) {
      const bool limit_reached = config_->row_hit_limit > 0 && row_reads_[bank] >= config_->row_hit_limit;
      closing = !hit || (config_->close_row == CloseRow::wanted && config_->scheduling == Scheduling::fr_fcfs) ||
                (other_order_[bank] < hit_order_[bank] && (limit_reached || config_->scheduling == Scheduling::fcfs));
    }
  }
  set(to_precharge_, closing);
  if (closing) {
    next_precharge_ = std::min(next_precharge_, bank_precharge_[bank]);
  }
}

std::uint32_t DramChannel::take_entry() {
  if (free_ == none) {
    entries_.emplace_back();
    return static_cast<std::uint32_t>(entries_.size() - 1);
  }
  const std::uint32_t index = free_;
  free_ = entries_[index].next;
  return index;
}

void DramChannel::push(List& list, std::uint32_t index) {
  entries_[index].next = none;
  (list.head == none ? list.head : entries_[list.tail].next) = index;
  list.tail = index;
}

std::uint32_t DramChannel::pop(List& list) {
  const std::uint32_t index = list.head;
  list.head = entries_[index].next;
  if (list.head == none) {
    list.tail = none;
  }
  return index;
}

}  // namespace dsasim
