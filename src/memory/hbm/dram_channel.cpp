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
      timing_(config.timing),
      ccd_least_(config.shape.ranks > 1 ? std::min(timing_.ccd_s, timing_.ccd_r) : timing_.ccd_s),
      number_(number),
      bursts_(config.shape.bursts_of_line()),
      queue_depth_(config.queue_depth),
      transaction_depth_(config.transaction_depth),
      used_mask_(config.queue == QueueKind::channel ? 0 : most_banks - 1),
      group_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks))),
      rank_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks_of_rank()))),
      pseudo_channel_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks_of_pseudo_channel()))),
      fcfs_(config.scheduling == Scheduling::fcfs),
      round_robin_(config.arbitration == Arbitration::round_robin),
      leaves_with_activate_(config.entry_until == EntryUntil::activate),
      merges_(config.merge_reads),
      filter_(config.merge_reads ? filter_size : 0) {
  if (config.refresh != Refresh::none) {
    refresh_interval_ = timing_.refi;
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
  next_ = refresh_due_ = first_refresh_;
  next_precharge_ = next_move_ = never;
  row_bus_ = 0;
  open_ = fresh_ = hit_ = other_ = to_precharge_ = wait_ = 0;
  turn_ = refresh_bank_ = 0;
  oldest_bank_ = none;
  draining_ = freed_ = touched_ = false;
  counts_ = {};
  const std::uint32_t count = config_->shape.banks_of_pseudo_channel();
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    pseudo_channels_[i] = {};
    pseudo_channels_[i].banks = (~std::uint64_t{0} >> (most_banks - count)) << (i * count);
    pseudo_channels_[i].activate = long_ago;
    pseudo_channels_[i].last_activates.fill(long_ago);
  }
  rank_read_.fill(long_ago);
  group_read_.fill(long_ago);
  group_activate_.fill(long_ago);
  Bank closed;
  closed.read = closed.precharge = closed.activate = long_ago;
  banks_.fill(closed);
  used_.fill(0);
  entries_.clear();
  free_ = none;
  entered_ = outstanding_ = 0;
  incoming_ = {};
  waiting_.fill({});
  waiting_count_ = 0;
  std::fill(filter_.begin(), filter_.end(), std::uint8_t{0});
}

// ---- Arrivals ----

bool DramChannel::has_room(std::uint32_t bank) const noexcept {
  return transaction_depth_ > 0 ? waiting_count_ < transaction_depth_ : queue_has_room(bank);
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
  if (merges_) {
    if (filter_[filter_slot(line)] > 0 && merge(line, address.bank, now)) {
      return;
    }
    ++filter_[filter_slot(line)];
  }
  const std::uint32_t index = take_entry();
  entries_[index] = {.line = line,
                     .order = entered_++,
                     .injected = now,
                     .reads = 1,
                     .row = address.row,
                     .bank = static_cast<std::uint8_t>(address.bank),
                     .bursts_left = static_cast<std::uint8_t>(bursts_)};
  ++outstanding_;
  if (transaction_depth_ == 0) {
    used(address.bank) += bursts_;
    push(incoming_, index);
  } else {
    push(waiting_[address.bank], index);
    wait_ |= bit(address.bank);
    ++waiting_count_;
  }
  next_move_ = std::min(next_move_, now);
  next_ = std::min(next_, now);
}

bool DramChannel::merge(std::uint64_t line, std::uint32_t bank, Clock now) {
  return merge_into(incoming_, line, now) || merge_into(waiting_[bank], line, now) ||
         merge_into(banks_[bank].hits, line, now) || merge_into(banks_[bank].others, line, now);
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
  if (fcfs_) {
    find_oldest(now);
  }
  give_read(now);
  if (row_bus_ <= now && !draining_) {
    if (fcfs_) {
      find_oldest(now);
    }
    give_row_command(now);
  }
  if (incoming_.head != none) {
    move_all();
  } else if (wait_ != 0 && (freed_ || next_move_ <= now)) {
    move_one(now);
  }
  plan(now);
}

void DramChannel::plan(Clock now) {
  Clock row = next_precharge_;
  Clock next = std::min(next_move_, refresh_due_);
  for (const PseudoChannel& channel : pseudo_channels()) {
    next = std::min(next, channel.next_read);
    row = std::min(row, std::max(channel.next_activate, channel.activate));
  }
  next_ = std::max(now + 1, std::min(next, std::max(row, row_bus_)));
}

template <class ReadyAt, class OrderOf>
DramChannel::Found DramChannel::search(std::uint64_t banks, Clock now, ReadyAt ready_at, OrderOf order_of) const {
  Found found;
  for (; banks != 0; banks &= banks - 1) {
    const auto bank = static_cast<std::uint32_t>(std::countr_zero(banks));
    const Clock ready_clock = ready_at(bank);
    const bool ready = ready_clock <= now;
    const std::uint64_t rank = ready ? order_of(bank) : ~std::uint64_t{0};
    found.later = std::min(found.later, ready ? never : ready_clock);
    found.ready += ready ? 1 : 0;
    const bool better = rank < found.rank;
    found.rank = better ? rank : found.rank;
    found.bank = better ? bank : found.bank;
  }
  return found;
}

/// Finds the entry that is served next; whatever it needs is looked for from now on.
void DramChannel::find_oldest(Clock now) {
  if (oldest_bank_ != none) {
    return;
  }
  oldest_ = ~std::uint64_t{0};
  const auto consider = [this](std::uint32_t bank, std::uint64_t order) {
    if (order < oldest_) {
      oldest_ = order;
      oldest_bank_ = bank;
    }
  };
  for_each_bank(hit_, [&](std::uint32_t bank) { consider(bank, banks_[bank].hit_order); });
  for_each_bank(other_, [&](std::uint32_t bank) { consider(bank, banks_[bank].other_order); });
  for (PseudoChannel& channel : pseudo_channels()) {
    channel.next_read = channel.next_activate = now;
  }
  next_precharge_ = now;
}

// ---- Commands ----

void DramChannel::give_read(Clock now) {
  std::uint64_t allowed = draining_ ? hit_ & fresh_ : hit_;
  if (fcfs_) {
    const bool hit =
        oldest_bank_ != none && (hit_ & bit(oldest_bank_)) != 0 && banks_[oldest_bank_].hit_order == oldest_;
    allowed = hit ? allowed & bit(oldest_bank_) : 0;
  }
  // Rows opened for a request that has left the queue are read first.
  const std::uint64_t first = leaves_with_activate_ ? fresh_ : ~std::uint64_t{0};
  const auto ready_at = [this](std::uint32_t bank) {
    return std::max(std::max(banks_[bank].read, group_read_[group_of(bank)]), rank_read_[rank_of(bank)]);
  };
  const auto later_if_not_first = [first](std::uint32_t bank) { return (~first >> bank & 1U) << 63U; };
  Found best;
  for (PseudoChannel& channel : pseudo_channels()) {
    if (channel.next_read > now) {
      continue;
    }
    const std::uint64_t banks = allowed & channel.banks;
    const Found found =
        round_robin_
            ? search(banks, now, ready_at,
                     [&](std::uint32_t bank) { return later_if_not_first(bank) + ((bank - turn_ - 1) % most_banks); })
            : search(banks, now, ready_at,
                     [&](std::uint32_t bank) { return later_if_not_first(bank) + banks_[bank].hit_order; });
    if (found.bank == none) {
      channel.next_read = found.later;
    } else if (found.rank < best.rank) {
      best = found;
    }
  }
  if (best.bank != none) {
    read(best.bank, now);
  }
}

void DramChannel::read(std::uint32_t index, Clock now) {
  Bank& bank = banks_[index];
  hold_reads(index, now);
  bank.precharge = std::max(bank.precharge, now + timing_.rtp);
  ++bank.row_reads;
  ++counts_.read_commands;
  turn_ = index;
  if (!leaves_with_activate_ || (fresh_ & bit(index)) == 0) {
    --used(index);
    freed_ = true;
  }
  fresh_ &= ~bit(index);
  if (--entries_[bank.hits.head].bursts_left == 0) {
    complete(bank, now);
  }
  if (config_->page_policy == PagePolicy::closed && bank.hits.head == none) {
    // Auto-precharge: it needs no command of its own.
    bank.activate = std::max(bank.activate, bank.precharge + timing_.rp);
    close(index);
    ++counts_.precharges;
  }
  update(index);
}

/// When the other banks of the pseudo-channel may be read.
void DramChannel::hold_reads(std::uint32_t bank, Clock now) {
  const std::uint32_t group = group_of(bank);
  const std::uint32_t rank = rank_of(bank);
  PseudoChannel& channel = pseudo_channels_[pseudo_channel_of(bank)];
  const std::uint32_t ranks = config_->shape.ranks;
  const std::uint32_t first = pseudo_channel_of(bank) * ranks;
  for (std::uint32_t i = first; i < first + ranks; ++i) {
    rank_read_[i] = std::max(rank_read_[i], now + (i == rank ? timing_.ccd_s : timing_.ccd_r));
  }
  group_read_[group] = now + timing_.ccd_l;
  channel.next_read = now + ccd_least_;
}

void DramChannel::complete(Bank& bank, Clock now) {
  const std::uint32_t index = pop(bank.hits);
  Entry& entry = entries_[index];
  const Clock returned = now + timing_.cl + timing_.burst;
  counts_.lines += entry.reads;
  counts_.latency_clocks += static_cast<std::uint64_t>(entry.reads * returned - entry.injected);
  counts_.last_return = returned;
  counts_.row_hits += entry.reads - (entry.opened_row ? 1 : 0);
  if (merges_) {
    --filter_[filter_slot(entry.line)];
  }
  entry.next = free_;
  free_ = index;
  --outstanding_;
  oldest_bank_ = none;
}

void DramChannel::give_row_command(Clock now) {
  std::uint64_t allowed = other_;
  if (fcfs_) {
    const bool other =
        oldest_bank_ != none && (other_ & bit(oldest_bank_)) != 0 && banks_[oldest_bank_].other_order == oldest_;
    allowed = other ? bit(oldest_bank_) : 0;
  }
  const auto find = [&](std::uint64_t banks, auto ready_at) {
    return round_robin_
               ? search(banks, now, ready_at,
                        [this](std::uint32_t bank) -> std::uint64_t { return (bank - turn_ - 1) % most_banks; })
               : search(banks, now, ready_at, [this](std::uint32_t bank) { return banks_[bank].other_order; });
  };
  Found to_activate;
  for (PseudoChannel& channel : pseudo_channels()) {
    if (std::max(channel.next_activate, channel.activate) > now) {
      continue;
    }
    const Found found = find(allowed & ~open_ & channel.banks, [this](std::uint32_t bank) {
      return std::max(banks_[bank].activate, group_activate_[group_of(bank)]);
    });
    if (found.bank == none) {
      channel.next_activate = found.later;
    } else if (found.rank < to_activate.rank) {
      to_activate = found;
    }
  }
  Found to_precharge;
  if (next_precharge_ <= now) {
    to_precharge = find(allowed & to_precharge_, [this](std::uint32_t bank) { return banks_[bank].precharge; });
    const bool more = to_precharge.ready > 1 || to_activate.rank < to_precharge.rank;
    if (to_precharge.ready == 0 || !more) {
      next_precharge_ = to_precharge.later;
    }
  }
  if (to_activate.rank < to_precharge.rank) {
    activate(to_activate.bank, now);
  } else if (to_precharge.bank != none) {
    precharge(to_precharge.bank, now);
  }
}

void DramChannel::activate(std::uint32_t index, Clock now) {
  Bank& bank = banks_[index];
  bank.read = now + timing_.rcd;
  bank.precharge = now + timing_.ras;
  bank.activate = now + timing_.rc;
  group_activate_[group_of(index)] = now + timing_.rrd_l;
  PseudoChannel& channel = pseudo_channels_[pseudo_channel_of(index)];
  channel.last_activates[channel.oldest_activate] = now;
  channel.oldest_activate = (channel.oldest_activate + 1) % 4;
  channel.activate = std::max(now + timing_.rrd_s, channel.last_activates[channel.oldest_activate] + timing_.faw);
  row_bus_ = now + timing_.act_command;
  turn_ = index;
  ++counts_.activates;

  open_ |= bit(index);
  fresh_ |= bit(index);
  bank.row_reads = 0;
  bank.row = entries_[bank.others.head].row;
  entries_[bank.others.head].opened_row = true;
  List waiting = bank.others;
  bank.others = {};
  while (waiting.head != none) {
    const std::uint32_t entry = pop(waiting);
    push(entries_[entry].row == bank.row ? bank.hits : bank.others, entry);
  }
  if (leaves_with_activate_) {
    --used(index);
    freed_ = true;
  }
  update(index);
}

void DramChannel::precharge(std::uint32_t index, Clock now) {
  Bank& bank = banks_[index];
  bank.activate = std::max(bank.activate, now + timing_.rp);
  row_bus_ = now + 1;
  turn_ = index;
  ++counts_.precharges;
  close(index);
  update(index);
}

/// What still wants the row waits with the others again, in its order.
void DramChannel::close(std::uint32_t index) {
  open_ &= ~bit(index);
  fresh_ &= ~bit(index);
  Bank& bank = banks_[index];
  if (bank.hits.head == none) {
    return;
  }
  List merged;
  while (bank.hits.head != none || bank.others.head != none) {
    const bool hit_first = bank.others.head == none || (bank.hits.head != none && entries_[bank.hits.head].order <
                                                                                      entries_[bank.others.head].order);
    push(merged, pop(hit_first ? bank.hits : bank.others));
  }
  bank.others = merged;
}

// ---- Refresh ----

void DramChannel::refresh(Clock now) {
  if (config_->refresh == Refresh::per_bank) {
    refresh_one_bank(now);
  } else if (leaves_with_activate_ && fresh_ != 0) {
    draining_ = true;
  } else {
    draining_ = false;
    refresh_all_banks(now);
  }
}

/// Closes these banks as soon as all can be; returns when they are ready for a refresh.
Clock DramChannel::close_for_refresh(std::uint64_t banks, Clock now) {
  Clock closing = now;
  for_each_bank(banks & open_, [&](std::uint32_t bank) { closing = std::max(closing, banks_[bank].precharge); });
  Clock ready = now;
  for_each_bank(banks, [&](std::uint32_t bank) {
    if ((open_ & bit(bank)) != 0) {
      banks_[bank].activate = std::max(banks_[bank].activate, closing + timing_.rp);
      if (leaves_with_activate_ && (fresh_ & bit(bank)) != 0) {
        ++used(bank);
      }
      close(bank);
      ++counts_.precharges;
    }
    ready = std::max(ready, banks_[bank].activate);
  });
  return ready;
}

void DramChannel::refresh_all_banks(Clock now) {
  const std::uint32_t count = config_->shape.banks_of_channel();
  const Clock start = close_for_refresh(~std::uint64_t{0} >> (most_banks - count), now);
  for (std::uint32_t bank = 0; bank < count; ++bank) {
    banks_[bank].activate = start + timing_.rfc;
    update(bank);
  }
  ++counts_.refreshes;
  refresh_due_ += refresh_interval_;
}

void DramChannel::refresh_one_bank(Clock now) {
  const std::uint32_t count = config_->shape.banks_of_pseudo_channel();
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    const std::uint32_t bank = i * count + refresh_bank_;
    banks_[bank].activate = close_for_refresh(bit(bank), now) + timing_.rfc_bank;
    update(bank);
    ++counts_.refreshes;
  }
  refresh_bank_ = (refresh_bank_ + 1) % count;
  refresh_due_ += refresh_interval_;
}

// ---- Queues ----

void DramChannel::move_all() {
  next_move_ = never;
  while (incoming_.head != none) {
    enqueue(pop(incoming_));
  }
}

/// The first in the transaction queue whose queue has room.
void DramChannel::move_one(Clock now) {
  std::uint64_t first = ~std::uint64_t{0};
  std::uint32_t from = none;
  for_each_bank(wait_, [&](std::uint32_t bank) {
    const std::uint64_t order = entries_[waiting_[bank].head].order;
    if (order < first && queue_has_room(bank)) {
      first = order;
      from = bank;
    }
  });
  next_move_ = never;
  if (from == none) {
    return;
  }
  const std::uint32_t index = pop(waiting_[from]);
  if (waiting_[from].head == none) {
    wait_ &= ~bit(from);
  }
  --waiting_count_;
  used(from) += bursts_;
  entries_[index].order = entered_++;
  enqueue(index);
  if (wait_ != 0) {
    next_move_ = now + 1;
  }
}

void DramChannel::enqueue(std::uint32_t index) {
  const Entry& entry = entries_[index];
  Bank& bank = banks_[entry.bank];
  const bool hit = (open_ & bit(entry.bank)) != 0 && bank.row == entry.row;
  push(hit ? bank.hits : bank.others, index);
  update(entry.bank);
}

/// Whether a row is to be closed for the first of the requests that want another.
bool DramChannel::to_be_closed(const Bank& bank) const noexcept {
  if (bank.hits.head == none) {
    return true;
  }
  const bool limit_reached = config_->row_hit_limit > 0 && bank.row_reads >= config_->row_hit_limit;
  return (config_->close_row == CloseRow::wanted && !fcfs_) ||
         (bank.other_order < bank.hit_order && (limit_reached || fcfs_));
}

/// The bits of a bank and the bounds that it lowers, after any change of its state or lists.
void DramChannel::update(std::uint32_t index) {
  Bank& bank = banks_[index];
  PseudoChannel& channel = pseudo_channels_[pseudo_channel_of(index)];
  const std::uint64_t mask = bit(index);
  hit_ &= ~mask;
  other_ &= ~mask;
  to_precharge_ &= ~mask;
  if (bank.hits.head != none) {
    hit_ |= mask;
    bank.hit_order = entries_[bank.hits.head].order;
    const Clock ready = std::max(bank.read, group_read_[group_of(index)]);
    channel.next_read = std::min(channel.next_read, std::max(ready, rank_read_[rank_of(index)]));
  }
  if (bank.others.head == none) {
    return;
  }
  other_ |= mask;
  bank.other_order = entries_[bank.others.head].order;
  if ((open_ & mask) == 0) {
    channel.next_activate = std::min(channel.next_activate, std::max(bank.activate, group_activate_[group_of(index)]));
  } else if ((fresh_ & mask) == 0 && to_be_closed(bank)) {
    to_precharge_ |= mask;
    next_precharge_ = std::min(next_precharge_, bank.precharge);
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
