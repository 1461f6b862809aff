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

constexpr std::uint64_t all_banks = ~std::uint64_t{0};

constexpr std::uint64_t bit(std::uint32_t bank) {
  return std::uint64_t{1} << bank;
}

// Without branches: which of two times is later, or which bank is ready, is hard to predict.

constexpr Clock later(Clock a, Clock b) {
  return a > b ? a : b;
}

constexpr std::uint64_t all_if(bool condition) {
  return 0 - std::uint64_t{condition ? 1U : 0U};
}

constexpr Clock choose(bool condition, Clock yes, Clock no) {
  const auto mask = static_cast<Clock>(all_if(condition));
  return (yes & mask) | (no & ~mask);
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
      play_(config.arbitration == Arbitration::round_robin ? play_for<true>(config.shape.pseudo_channels)
                                                           : play_for<false>(config.shape.pseudo_channels)),
      timing_(config.timing),
      ccd_least_(config.shape.ranks > 1 ? std::min(timing_.ccd_s, timing_.ccd_r) : timing_.ccd_s),
      bursts_(config.shape.bursts_of_line()),
      queue_depth_(config.queue_depth),
      transaction_depth_(config.transaction_depth),
      used_mask_(config.queue == QueueKind::channel ? 0 : most_banks - 1),
      group_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks))),
      rank_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks_of_rank()))),
      pseudo_channel_shift_(static_cast<std::uint32_t>(std::countr_zero(config.shape.banks_of_pseudo_channel()))),
      fcfs_(config.scheduling == Scheduling::fcfs),
      leaves_with_activate_(config.entry_until == EntryUntil::activate),
      merges_(config.merge_reads),
      closed_page_(config.page_policy == PagePolicy::closed),
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
  next_read_ = next_row_ = next_move_ = never;
  soonest_read_ = soonest_activate_ = long_ago;
  row_bus_ = 0;
  moved_at_ = -1;
  open_ = fresh_ = hit_ = other_ = to_precharge_ = wait_ = 0;
  turn_ = refresh_bank_ = 0;
  oldest_bank_ = none;
  draining_ = freed_ = touched_ = false;
  counts_ = {};
  const std::uint32_t count = config_->shape.banks_of_pseudo_channel();
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    pseudo_channels_[i] = {};
    pseudo_channels_[i].banks = (~std::uint64_t{0} >> (most_banks - count)) << (i * count);
    pseudo_channels_[i].activate = pseudo_channels_[i].read = long_ago;
    pseudo_channels_[i].last_activates.fill(long_ago);
  }
  rank_read_.fill(long_ago);
  group_read_.fill(long_ago);
  group_activate_.fill(long_ago);
  Bank closed;
  closed.read = closed.precharge = closed.activate = long_ago;
  banks_.fill(closed);
  read_timers_.clear();
  activate_timers_.clear();
  read_ripe_ = 0;
  activate_ripe_ = ~std::uint64_t{0};
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

Clock DramChannel::wait_for_room(Clock now, std::uint32_t bank) {
  advance(now + 1);
  while (!has_room(now + 1, bank)) {
    now = next_;
    play_now(now);
  }
  return now + 1;
}

void DramChannel::arrive(Clock now, const DramAddress& address, std::uint64_t line) {
  assert(has_room(now, address.bank) && next_ >= now);
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
  // If there is nothing else to do at this clock, the line's way into its queue is all that happens.
  const bool at_once = next_ > now;
  if (transaction_depth_ == 0) {
    used(address.bank) += bursts_;
    if (at_once) {
      enqueue(index);
    } else {
      push(incoming_, index);
      next_move_ = now;
    }
  } else if (at_once && moved_at_ != now && queue_has_room(address.bank)) {
    move(index, now);
  } else {
    push(waiting_[address.bank], index);
    wait_ |= bit(address.bank);
    ++waiting_count_;
    next_move_ = std::min(next_move_, moved_at_ == now ? now + 1 : now);
  }
  if (at_once) {
    // The queue is looked at from the next clock on.
    const Clock earliest = next_move_ <= now ? now : now + 1;
    const Clock command = std::min(next_read_, later(next_row_, row_bus_));
    next_ = std::min(next_, later(std::min(command, next_move_), earliest));
  }
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
    play_now(next_);
  }
}

// ---- A clock ----

template <bool round_robin, std::uint32_t pseudo_channels>
void DramChannel::play(Clock now) {
  assert(now != never);
  freed_ = false;
  if (now >= refresh_due_) {
    refresh(now);
  }
  ripen(now);
  if (fcfs_) {
    find_oldest(now);
  }
  if (next_read_ <= now) {
    give_read<round_robin, pseudo_channels>(now);
  }
  if (fcfs_) {
    find_oldest(now);
  }
  if (later(next_row_, row_bus_) <= now && !draining_) {
    give_row_command<round_robin, pseudo_channels>(now);
  }
  if (incoming_.head != none) {
    move_all();
  } else if (wait_ != 0 && (freed_ || next_move_ <= now)) {
    move_one(now);
  }
  plan(now);
}

template <bool round_robin>
DramChannel::Play DramChannel::play_for(std::uint32_t pseudo_channels) {
  return pseudo_channels == 1   ? &DramChannel::play<round_robin, 1>
         : pseudo_channels == 2 ? &DramChannel::play<round_robin, 2>
                                : &DramChannel::play<round_robin, 4>;
}

/// The next clock after `now` that is worth playing.
void DramChannel::plan(Clock now) {
  // That a bank is ripe matters once a pseudo-channel allows the command.
  const Clock read = std::min(next_read_, later(read_timers_.first(), soonest_read_));
  const Clock row = std::min(next_row_, later(activate_timers_.first(), soonest_activate_));
  next_ = later(now + 1, std::min(std::min(read, later(row, row_bus_)), std::min(next_move_, refresh_due_)));
}

/// The first clock, not before `least`, at which a pseudo-channel of one of these banks allows a command.
template <std::uint32_t pseudo_channels>
Clock DramChannel::first_allowed(std::uint64_t banks, Clock PseudoChannel::*allowed, Clock least) const {
  Clock first = never;
  for (std::uint32_t i = 0; i < pseudo_channels; ++i) {
    const PseudoChannel& channel = pseudo_channels_[i];
    const Clock here = choose((banks & channel.banks) != 0, channel.*allowed, never);
    first = here < first ? here : first;
  }
  return later(first, least);
}

/// Notes the banks whose own times have passed.
void DramChannel::ripen(Clock now) {
  while (read_timers_.first() <= now) {
    const std::uint32_t bank = read_timers_.take();
    if ((open_ & bit(bank)) != 0 && banks_[bank].read <= now) {
      read_ripe_ |= bit(bank);
      next_read_ = std::min(next_read_, group_allows_read(bank));
    }
  }
  while (activate_timers_.first() <= now) {
    const std::uint32_t bank = activate_timers_.take();
    if (banks_[bank].activate <= now) {
      activate_ripe_ |= bit(bank);
      if ((other_ & ~open_ & bit(bank)) != 0) {
        next_row_ = std::min(next_row_, group_activate_[group_of(bank)]);
      }
    }
  }
}

void DramChannel::ripens_for_activate(std::uint32_t bank, Clock at) {
  banks_[bank].activate = at;
  activate_ripe_ &= ~bit(bank);
  activate_timers_.set(at, bank);
}

Clock DramChannel::group_allows_read(std::uint32_t bank) const noexcept {
  return later(group_read_[group_of(bank)], rank_read_[rank_of(bank)]);
}

/// Among commands that are ready, the smaller goes first.
template <bool round_robin>
std::uint64_t DramChannel::rank(std::uint32_t bank, std::uint64_t order) const noexcept {
  return round_robin ? (bank - turn_ - 1) % most_banks : order;
}

template <class ReadyAt, class RankOf>
DramChannel::Found DramChannel::search(std::uint64_t banks, Clock now, ReadyAt ready_at, RankOf rank_of) {
  Found found;
  const auto consider_first = [&](std::uint64_t some) {
    if (some == 0) {
      __builtin_unreachable();  // bank is below most_banks, which g++ 14 asks for
    }
    const auto bank = static_cast<std::uint32_t>(std::countr_zero(some));
    const Clock ready_clock = ready_at(bank);
    const bool ready = ready_clock <= now;
    const std::uint64_t key = (rank_of(bank) * most_banks + bank) | ~all_if(ready);
    found.key = std::min(found.key, key);
    found.later = std::min(found.later, choose(ready, never, ready_clock));
    found.ready |= some & (~some + 1) & all_if(ready);
  };
  if (banks == 0) {
    return found;
  }
  // Mostly there are one or two. The same one twice does no harm.
  consider_first(banks);
  const std::uint64_t others = banks & (banks - 1);
  consider_first(others | (banks & all_if(others == 0)));
  for (std::uint64_t more = others & (others - 1); more != 0; more &= more - 1) {
    consider_first(more);
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
  next_read_ = next_row_ = now;
}

// ---- Commands ----

template <bool round_robin, std::uint32_t pseudo_channels>
void DramChannel::give_read(Clock now) {
  std::uint64_t banks = hit_ & read_ripe_;
  if (draining_) {
    banks &= fresh_;
  }
  if (fcfs_) {
    const bool hit =
        oldest_bank_ != none && (hit_ & bit(oldest_bank_)) != 0 && banks_[oldest_bank_].hit_order == oldest_;
    banks &= hit ? bit(oldest_bank_) : 0;
  }
  // Rows opened for a request that has left the queue are read first.
  const std::uint64_t second = leaves_with_activate_ ? ~fresh_ : 0;
  const Found found = search(
      banks, now, [this](std::uint32_t bank) { return group_allows_read(bank); },
      [&](std::uint32_t bank) {
        return ((second >> bank & 1U) << second_rank) + rank<round_robin>(bank, banks_[bank].hit_order);
      });
  next_read_ = found.later;
  if (!found) {
    return;
  }
  hold_reads(found.bank(), now);
  soonest_read_ = first_allowed<pseudo_channels>(all_banks, &PseudoChannel::read, long_ago);
  const std::uint64_t others = found.ready & ~bit(found.bank());
  next_read_ = std::min(next_read_, first_allowed<pseudo_channels>(others, &PseudoChannel::read, now + 1));
  read(found.bank(), now);
}

void DramChannel::read(std::uint32_t index, Clock now) {
  Bank& bank = banks_[index];
  bank.precharge = later(bank.precharge, now + timing_.rtp);
  ++bank.row_reads;
  ++counts_.read_commands;
  turn_ = index;
  const bool frees = !leaves_with_activate_ || (fresh_ & bit(index)) == 0;
  used(index) -= frees ? 1 : 0;
  freed_ |= frees;
  fresh_ &= ~bit(index);
  if (--entries_[bank.hits.head].bursts_left == 0) {
    complete(bank, now);
  }
  if (closed_page_ && bank.hits.head == none) {
    // Auto-precharge: it needs no command of its own.
    close(index);
    ripens_for_activate(index, std::max(bank.activate, bank.precharge + timing_.rp));
    ++counts_.precharges;
  }
  note_hits(index);
  note_closing(index);
}

/// When the other banks of the pseudo-channel may be read.
void DramChannel::hold_reads(std::uint32_t bank, Clock now) {
  const std::uint32_t group = group_of(bank);
  const std::uint32_t rank = rank_of(bank);
  PseudoChannel& channel = pseudo_channels_[pseudo_channel_of(bank)];
  const std::uint32_t ranks = config_->shape.ranks;
  const std::uint32_t first = pseudo_channel_of(bank) * ranks;
  for (std::uint32_t i = first; i < first + ranks; ++i) {
    rank_read_[i] = later(rank_read_[i], now + choose(i == rank, timing_.ccd_s, timing_.ccd_r));
  }
  group_read_[group] = now + timing_.ccd_l;
  channel.read = now + ccd_least_;
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

template <bool round_robin, std::uint32_t pseudo_channels>
void DramChannel::give_row_command(Clock now) {
  const std::uint64_t to_activate = other_ & ~open_ & activate_ripe_;
  std::uint64_t banks = to_precharge_;
  for (std::uint32_t i = 0; i < pseudo_channels; ++i) {
    banks |= to_activate & pseudo_channels_[i].banks & all_if(pseudo_channels_[i].activate <= now);
  }
  std::uint64_t allowed = all_banks;
  if (fcfs_) {
    const bool other =
        oldest_bank_ != none && (other_ & bit(oldest_bank_)) != 0 && banks_[oldest_bank_].other_order == oldest_;
    allowed = other ? bit(oldest_bank_) : 0;
  }
  const Found found = search(
      banks & allowed, now,
      [this](std::uint32_t bank) {
        const bool open = (open_ & bit(bank)) != 0;
        return choose(open, banks_[bank].precharge, group_activate_[group_of(bank)]);
      },
      [this](std::uint32_t bank) { return rank<round_robin>(bank, banks_[bank].other_order); });
  const std::uint64_t others = found ? found.ready & ~bit(found.bank()) : 0;
  const bool precharges = (others & to_precharge_) != 0;
  next_row_ = never;
  if (found) {
    if ((open_ & bit(found.bank())) != 0) {
      precharge(found.bank(), now);
    } else {
      activate(found.bank(), now);
      soonest_activate_ = first_allowed<pseudo_channels>(all_banks, &PseudoChannel::activate, long_ago);
    }
  }
  // Those that are ready, and those that were not looked at.
  const std::uint64_t to_activate_later = (to_activate & ~banks) | (others & to_activate);
  const Clock next_activate = first_allowed<pseudo_channels>(to_activate_later, &PseudoChannel::activate, now + 1);
  next_row_ = std::min(std::min(next_row_, next_activate), std::min(found.later, precharges ? now + 1 : never));
}

void DramChannel::activate(std::uint32_t index, Clock now) {
  Bank& bank = banks_[index];
  bank.read = now + timing_.rcd;
  read_ripe_ &= ~bit(index);
  activate_ripe_ &= ~bit(index);
  read_timers_.set(bank.read, index);
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
  note_hits(index);
  note_others(index);
}

void DramChannel::precharge(std::uint32_t index, Clock now) {
  row_bus_ = now + 1;
  turn_ = index;
  ++counts_.precharges;
  close(index);
  ripens_for_activate(index, later(banks_[index].activate, now + timing_.rp));
}

/// What still wants the row waits with the others again, in its order.
void DramChannel::close(std::uint32_t index) {
  open_ &= ~bit(index);
  fresh_ &= ~bit(index);
  to_precharge_ &= ~bit(index);
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
  note_hits(index);
  note_others(index);
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
  activate_timers_.clear();
  for (std::uint32_t bank = 0; bank < count; ++bank) {
    ripens_for_activate(bank, start + timing_.rfc);
  }
  ++counts_.refreshes;
  refresh_due_ += refresh_interval_;
}

void DramChannel::refresh_one_bank(Clock now) {
  const std::uint32_t count = config_->shape.banks_of_pseudo_channel();
  for (std::uint32_t i = 0; i < config_->shape.pseudo_channels; ++i) {
    const std::uint32_t bank = i * count + refresh_bank_;
    ripens_for_activate(bank, close_for_refresh(bit(bank), now) + timing_.rfc_bank);
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
  move(index, now);
}

void DramChannel::move(std::uint32_t index, Clock now) {
  used(entries_[index].bank) += bursts_;
  entries_[index].order = entered_++;
  moved_at_ = now;
  enqueue(index);
  next_move_ = wait_ != 0 ? now + 1 : never;
}

void DramChannel::enqueue(std::uint32_t index) {
  const Entry& entry = entries_[index];
  const std::uint32_t bank = entry.bank;
  const bool hit = (open_ & bit(bank)) != 0 && banks_[bank].row == entry.row;
  List& list = hit ? banks_[bank].hits : banks_[bank].others;
  const bool first = list.head == none;
  push(list, index);
  if (first && hit) {
    note_hits(bank);
    note_closing(bank);
  } else if (first) {
    note_others(bank);
  }
}

// What is known of a bank, after its lists or its state have changed.

void DramChannel::note_hits(std::uint32_t index) {
  Bank& bank = banks_[index];
  if (bank.hits.head == none) {
    hit_ &= ~bit(index);
    return;
  }
  hit_ |= bit(index);
  bank.hit_order = entries_[bank.hits.head].order;
  if ((read_ripe_ & bit(index)) != 0) {
    next_read_ = std::min(next_read_, group_allows_read(index));
  }
}

void DramChannel::note_others(std::uint32_t index) {
  Bank& bank = banks_[index];
  if (bank.others.head == none) {
    other_ &= ~bit(index);
    to_precharge_ &= ~bit(index);
    return;
  }
  other_ |= bit(index);
  bank.other_order = entries_[bank.others.head].order;
  if ((open_ & bit(index)) == 0) {
    if ((activate_ripe_ & bit(index)) != 0) {
      next_row_ = std::min(next_row_, group_activate_[group_of(index)]);
    }
  } else {
    note_closing(index);
  }
}

/// Whether a row is to be closed for the first of the requests that want another.
void DramChannel::note_closing(std::uint32_t index) {
  if ((open_ & other_ & ~fresh_ & bit(index)) == 0) {
    to_precharge_ &= ~bit(index);
    return;
  }
  const Bank& bank = banks_[index];
  const bool limit_reached = config_->row_hit_limit > 0 && bank.row_reads >= config_->row_hit_limit;
  const bool closes = bank.hits.head == none || (config_->close_row == CloseRow::wanted && !fcfs_) ||
                      (bank.other_order < bank.hit_order && (limit_reached || fcfs_));
  if (closes) {
    to_precharge_ |= bit(index);
    next_row_ = std::min(next_row_, bank.precharge);
  } else {
    to_precharge_ &= ~bit(index);
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
