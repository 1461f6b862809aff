#pragma once

#include "memory/hbm/address_map.hpp"
#include "memory/hbm/bank_timers.hpp"
#include "memory/hbm/dram_config.hpp"

#include <array>
#include <cstdint>
#include <span>
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
      (this->*play_)(next_);
    }
  }
  /// Whether a line of this bank may arrive at `now`; the clocks before must have been played.
  bool has_room(Clock now, std::uint32_t bank) const noexcept {
    // What moved on at this clock still holds its place in it.
    return transaction_depth_ > 0 ? waiting_count_ + (moved_at_ == now ? 1 : 0) < transaction_depth_
                                  : queue_has_room(bank);
  }
  /// Advances until a line of this bank may arrive; returns the first clock after `now` at which it may.
  Clock wait_for_room(Clock now, std::uint32_t bank);
  /// There must be room.
  void arrive(Clock now, const DramAddress& address, std::uint64_t line);
  /// Plays until everything has been read; the last line returns at counts().last_return.
  void finish();

  bool touched() const noexcept { return touched_; }
  const DramCounts& counts() const noexcept { return counts_; }

 private:
  static constexpr std::uint32_t most_banks = 64;
  static constexpr std::uint32_t most_pseudo_channels = 4;
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  /// A line that waits, or several reads of one line that were merged.
  struct Entry {
    std::uint64_t line = 0;
    std::uint64_t order = 0;  ///< in which it arrived, and from then on in which it came to the queues
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
  /// One cache line. The times are the first clocks at which timing within the bank allows a command.
  struct alignas(64) Bank {
    Clock read = 0;
    Clock precharge = 0;
    Clock activate = 0;
    std::uint64_t hit_order = 0;  ///< of the first entry of `hits`
    std::uint64_t other_order = 0;
    List hits;  ///< that want the open row
    List others;
    std::uint32_t row = 0;
    std::uint32_t row_reads = 0;  ///< since it was opened
  };
  /// What limits the commands of a pseudo-channel beyond its banks.
  struct PseudoChannel {
    std::uint64_t banks = 0;
    Clock read = 0;                         ///< the shortest of the tCCD allows it
    Clock activate = 0;                     ///< tRRD_S and tFAW allow it
    std::array<Clock, 4> last_activates{};  ///< a ring
    std::uint32_t oldest_activate = 0;
  };
  /// The best command among those that are ready, and when the first of the others is.
  struct Found {
    std::uint64_t key = ~std::uint64_t{0};  ///< rank x most_banks + bank
    Clock later = never;
    std::uint64_t ready = 0;  ///< a bit for each
    explicit operator bool() const noexcept { return ready != 0; }
    std::uint32_t bank() const noexcept { return key % most_banks; }
  };
  /// Added to the rank of what goes after all others: orders stay below.
  static constexpr std::uint32_t second_rank = 56;
  template <class T>
  using PerBank = std::array<T, most_banks>;

  // Compiled for each arbitration and number of pseudo-channels.
  using Play = void (DramChannel::*)(Clock now);
  template <bool round_robin, std::uint32_t pseudo_channels>
  void play(Clock now);
  template <bool round_robin>
  static Play play_for(std::uint32_t pseudo_channels);
  void plan(Clock now);
  template <bool round_robin, std::uint32_t pseudo_channels>
  void give_read(Clock now);
  template <bool round_robin, std::uint32_t pseudo_channels>
  void give_row_command(Clock now);
  template <std::uint32_t pseudo_channels>
  Clock first_allowed(std::uint64_t banks, Clock PseudoChannel::*allowed, Clock least) const;
  template <bool round_robin>
  std::uint64_t rank(std::uint32_t bank, std::uint64_t order) const noexcept;
  void play_now(Clock now) { (this->*play_)(now); }

  void ripen(Clock now);
  void ripens_for_activate(std::uint32_t bank, Clock at);
  void read(std::uint32_t index, Clock now);
  void activate(std::uint32_t index, Clock now);
  void precharge(std::uint32_t index, Clock now);
  void hold_reads(std::uint32_t bank, Clock now);
  void complete(Bank& bank, Clock now);

  void refresh(Clock now);
  void refresh_all_banks(Clock now);
  void refresh_one_bank(Clock now);
  Clock close_for_refresh(std::uint64_t banks, Clock now);

  void move_all();
  void move_one(Clock now);
  void move(std::uint32_t index, Clock now);
  void enqueue(std::uint32_t index);
  void close(std::uint32_t index);
  void note_hits(std::uint32_t index);
  void note_others(std::uint32_t index);
  void note_closing(std::uint32_t index);
  void find_oldest(Clock now);
  bool merge(std::uint64_t line, std::uint32_t bank, Clock now);
  bool merge_into(const List& list, std::uint64_t line, Clock now);

  template <class ReadyAt, class RankOf>
  static Found search(std::uint64_t banks, Clock now, ReadyAt ready_at, RankOf rank_of);
  std::uint32_t group_of(std::uint32_t bank) const noexcept { return bank >> group_shift_; }
  std::uint32_t rank_of(std::uint32_t bank) const noexcept { return bank >> rank_shift_; }
  std::uint32_t pseudo_channel_of(std::uint32_t bank) const noexcept { return bank >> pseudo_channel_shift_; }
  Clock group_allows_read(std::uint32_t bank) const noexcept;
  std::uint32_t& used(std::uint32_t bank) noexcept { return used_[bank & used_mask_]; }
  bool queue_has_room(std::uint32_t bank) const noexcept { return used_[bank & used_mask_] + bursts_ <= queue_depth_; }

  std::uint32_t take_entry();
  void push(List& list, std::uint32_t index);
  std::uint32_t pop(List& list);

  PerBank<Bank> banks_;

  // What the configuration says, where it is needed often.
  const DramConfig* config_;
  Play play_;
  DramTiming timing_;
  Clock ccd_least_;
  std::uint32_t bursts_;
  std::uint32_t queue_depth_;
  std::uint32_t transaction_depth_;
  std::uint32_t used_mask_;  ///< a queue for each bank, or for bank 0 alone
  std::uint32_t group_shift_;
  std::uint32_t rank_shift_;
  std::uint32_t pseudo_channel_shift_;
  bool fcfs_;
  bool leaves_with_activate_;
  bool merges_;
  bool closed_page_;
  Clock refresh_interval_ = never;
  Clock first_refresh_ = never;

  // When the next clock is worth playing: lower bounds.
  Clock next_ = never;
  Clock next_read_ = never;  ///< of banks that are ripe
  Clock next_row_ = never;   ///< activate of banks that are ripe, or precharge
  Clock soonest_read_ = 0;   ///< that any pseudo-channel allows one
  Clock soonest_activate_ = 0;
  Clock next_move_ = never;
  Clock refresh_due_ = never;
  Clock row_bus_ = 0;
  Clock moved_at_ = -1;  ///< the last clock at which a line left the transaction queue

  // Banks: a bit for each.
  std::uint64_t open_ = 0;
  std::uint64_t fresh_ = 0;          ///< activated, not read since
  std::uint64_t hit_ = 0;            ///< `hits` is not empty
  std::uint64_t other_ = 0;          ///< `others` is not empty
  std::uint64_t to_precharge_ = 0;   ///< open, and to be closed for another row
  std::uint64_t read_ripe_ = 0;      ///< the bank's own times allow a read
  std::uint64_t activate_ripe_ = 0;  ///< or an activate
  std::uint64_t wait_ = 0;           ///< `waiting_` is not empty

  std::uint32_t turn_ = 0;  ///< round robin: the bank that had the last command
  std::uint32_t refresh_bank_ = 0;
  std::uint32_t oldest_bank_ = none;  ///< fcfs: of the only entry that may have a command
  std::uint64_t oldest_ = 0;          ///< its order
  bool draining_ = false;             ///< a refresh waits for the reads that rows were opened for
  bool freed_ = false;                ///< a queue has got room in this clock
  bool touched_ = false;
  DramCounts counts_;

  std::array<PseudoChannel, most_pseudo_channels> pseudo_channels_;
  PerBank<Clock> rank_read_;   ///< by rank: tCCD_S and tCCD_R allow it
  PerBank<Clock> group_read_;  ///< by bank group: tCCD_L
  PerBank<Clock> group_activate_;
  BankTimers read_timers_;
  BankTimers activate_timers_;
  PerBank<std::uint32_t> used_;  ///< bursts in a queue

  // Entries, and where they wait for a place in a queue.
  std::vector<Entry> entries_;
  std::uint32_t free_ = none;
  std::uint64_t entered_ = 0;
  std::uint64_t outstanding_ = 0;  ///< entries
  List incoming_;                  ///< without a transaction queue: they have a place, from the next clock on
  PerBank<List> waiting_;          ///< the transaction queue, by bank
  std::uint32_t waiting_count_ = 0;
  std::vector<std::uint8_t> filter_;  ///< how many entries' lines have this hash
};

}  // namespace dsasim
