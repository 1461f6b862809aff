#pragma once

#include "memory/hbm/address_map.hpp"
#include "memory/hbm/dram_config.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace dsasim {

/// What channels count.
struct DramCounts {
  std::uint64_t lines = 0;           ///< that returned
  std::uint64_t latency_clocks = 0;  ///< from injection to return, of all lines
  Clock last_return = 0;
  std::uint64_t read_commands = 0;
  std::uint64_t row_hits = 0;  ///< lines that found their row open, or opened for another
  std::uint64_t activates = 0;
  std::uint64_t precharges = 0;
  std::uint64_t refreshes = 0;

  void add(const DramCounts& other) noexcept;
};

/// One channel: its queues, banks and command buses. It plays the clocks at which something can happen and skips the
/// others. In a clock, in this order: a refresh that is due; one read; one activate or precharge; and what waits moves
/// to the queues, to be looked at from the next clock on.
///
/// Each kind of command has a lower bound of when it can next be given, so that a clock that cannot be useful is not
/// played: a bound may be too early, never too late.
class DramChannel {
 public:
  /// Of `config.shape.all_channels()`; `config` must stay.
  DramChannel(const DramConfig& config, std::uint32_t number);

  /// All banks closed, nothing waiting, clock 0.
  void reset();
  /// Plays the clocks before `until`.
  void advance(Clock until) {
    while (next_ < until) {
      play(next_);
    }
  }
  bool has_room(std::uint32_t bank) const noexcept;
  /// Advances until a line of this bank may arrive; returns the first clock at which it may.
  Clock wait_for_room(std::uint32_t bank);
  /// Clocks before `now` must have been played, and there must be room.
  void arrive(Clock now, const DramAddress& address, std::uint64_t line);
  /// Plays until everything has been read; the last line returns at counts().last_return.
  void finish();

  bool touched() const noexcept { return touched_; }
  const DramCounts& counts() const noexcept { return counts_; }

 private:
  static constexpr std::uint32_t most_banks = 64;
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  /// A line that waits, or several reads of one line that were merged.
  struct Entry {
    std::uint64_t line = 0;
    std::uint64_t order = 0;  ///< in which it came to the queues
    Clock injected = 0;       ///< added up over the reads
    std::uint32_t reads = 0;
    std::uint32_t row = 0;
    std::uint32_t next = none;
    std::uint8_t bank = 0;
    std::uint8_t bursts_left = 0;
    bool opened_row = false;
  };
  struct List {
    std::uint32_t head = none;
    std::uint32_t tail = none;
  };
  /// The best command among those that are ready, and when the first of the others is.
  struct Found {
    std::uint32_t bank = none;
    std::uint64_t rank = ~std::uint64_t{0};
    Clock later = never;
    std::uint32_t ready = 0;
  };
  template <class T>
  using PerBank = std::array<T, most_banks>;

  void play(Clock now);
  void plan(Clock now);

  void give_read(Clock now);
  void give_row_command(Clock now);
  void read(std::uint32_t bank, Clock now);
  void activate(std::uint32_t bank, Clock now);
  void precharge(std::uint32_t bank, Clock now);

  void refresh(Clock now);
  void refresh_all_banks(Clock now);
  void refresh_one_bank(Clock now);
  Clock close_for_refresh(std::uint64_t banks, Clock now);

  void move_waiting(Clock now);
  void enqueue(std::uint32_t index);
  void close(std::uint32_t bank);
  void update(std::uint32_t bank);
  void find_oldest(Clock now);
  bool merge(std::uint64_t line, std::uint32_t bank, Clock now);
  bool merge_into(const List& list, std::uint64_t line, Clock now);

  template <class ReadyAt>
  void search(std::uint64_t banks, Clock now, const PerBank<std::uint64_t>& order, ReadyAt ready_at,
              Found& found) const;
  std::uint64_t rank(std::uint32_t bank, std::uint64_t order) const noexcept;
  std::uint32_t group_of(std::uint32_t bank) const noexcept { return bank >> group_shift_; }
  std::uint32_t pseudo_channel_of(std::uint32_t bank) const noexcept { return bank >> pseudo_channel_shift_; }
  std::uint64_t banks_of(std::uint32_t pseudo_channel) const noexcept;
  std::uint32_t& used(std::uint32_t bank) noexcept {
    return config_->queue == QueueKind::channel ? used_[0] : used_[bank];
  }
  std::uint32_t used(std::uint32_t bank) const noexcept {
    return config_->queue == QueueKind::channel ? used_[0] : used_[bank];
  }
  bool queue_has_room(std::uint32_t bank) const noexcept { return used(bank) + bursts_ <= config_->queue_depth; }

  std::uint32_t take_entry();
  void push(List& list, std::uint32_t index);
  std::uint32_t pop(List& list);

  const DramConfig* config_;
  std::uint32_t number_;
  std::uint32_t bursts_;
  std::uint32_t group_shift_;
  std::uint32_t pseudo_channel_shift_;
  Clock refresh_interval_ = never;
  Clock first_refresh_ = never;

  // Entries, and where they wait.
  std::vector<Entry> entries_;
  std::uint32_t free_ = none;
  List waiting_;
  std::uint32_t waiting_count_ = 0;
  std::uint64_t entered_ = 0;
  std::uint64_t outstanding_ = 0;  ///< entries
  PerBank<List> hits_;             ///< that want the open row
  PerBank<List> others_;
  PerBank<std::uint32_t> used_;       ///< bursts in the queue of a bank; in the first one, that of the channel
  std::vector<std::uint8_t> filter_;  ///< how many entries' lines have this hash

  // Banks: a bit for each.
  std::uint64_t open_ = 0;
  std::uint64_t fresh_ = 0;         ///< activated, not read since
  std::uint64_t hit_ = 0;           ///< `hits_` is not empty
  std::uint64_t other_ = 0;         ///< `others_` is not empty
  std::uint64_t to_precharge_ = 0;  ///< open, and to be closed for another row
  PerBank<std::uint64_t> hit_order_;
  PerBank<std::uint64_t> other_order_;
  PerBank<std::uint32_t> row_;
  PerBank<std::uint32_t> row_reads_;

  // The first clock at which timing allows a command, by bank, bank group (of a rank) and pseudo-channel.
  PerBank<Clock> bank_read_;
  PerBank<Clock> bank_precharge_;
  PerBank<Clock> bank_activate_;
  PerBank<Clock> group_read_;
  PerBank<Clock> group_activate_;
  std::array<Clock, 4> activate_allowed_;               ///< tRRD_S and tFAW
  std::array<std::array<Clock, 4>, 4> last_activates_;  ///< a ring for each pseudo-channel
  std::array<std::uint32_t, 4> last_activate_;
  Clock row_bus_ = 0;

  // Lower bounds.
  std::array<Clock, 4> next_read_;
  std::array<Clock, 4> next_activate_;
  Clock next_precharge_ = never;
  Clock next_move_ = never;
  Clock refresh_due_ = never;
  Clock next_ = never;

  std::uint32_t turn_ = 0;  ///< round robin: the bank that had the last command
  std::uint32_t refresh_bank_ = 0;
  bool draining_ = false;     ///< a refresh waits for the reads that rows were opened for
  bool freed_ = false;        ///< a queue has got room in this clock
  std::uint64_t oldest_ = 0;  ///< fcfs: the order of the only entry that may have a command
  std::uint32_t oldest_bank_ = none;
  bool touched_ = false;
  DramCounts counts_;
};

}  // namespace dsasim
