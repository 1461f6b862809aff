#pragma once

#include "dsasim/config/config_object.hpp"

#include <cstdint>
#include <limits>
#include <string>

namespace dsasim {

/// Clocks of the memory: every time in the model is a whole number of them, so that results are exact.
using Clock = std::int64_t;
inline constexpr Clock never = std::numeric_limits<Clock>::max();

/// What one request reads.
inline constexpr std::uint64_t dram_line_bytes = 64;

enum class QueueKind : std::uint8_t { channel, bank };
/// Who goes first among the commands that are ready.
enum class Arbitration : std::uint8_t { oldest, round_robin };
enum class Scheduling : std::uint8_t { fr_fcfs, fcfs };
enum class PagePolicy : std::uint8_t { open, closed };
/// When a row closes for a request that wants another one of its bank: as soon as timing lets it (`wanted`), or once
/// that request is the oldest of its bank, and no request for the open row waits or `row_hit_limit` reads were made of
/// it.
enum class CloseRow : std::uint8_t { wanted, oldest };
/// When a request gives its place in the queue back: with the read, or with the activation if it made one.
enum class EntryUntil : std::uint8_t { read, activate };
enum class Refresh : std::uint8_t { none, all_bank, per_bank };
/// Whether all channels refresh at one time, or each a share of tREFI after the one before.
enum class RefreshPhase : std::uint8_t { together, staggered };
/// in_order: up to so many lines a clock, stalling while the head's channel has no room. free: every line enters as
/// soon as its channel has room. serial: a line enters when the one before it has returned.
enum class Injection : std::uint8_t { in_order, free, serial };
enum class BatchSort : std::uint8_t { none, bank };

/// In clocks, by the names of JEDEC (JESD235, JESD238) without the "t".
struct DramTiming {
  Clock rcd = 0;          ///< activate to read
  Clock rp = 0;           ///< precharge to activate
  Clock ras = 0;          ///< activate to precharge
  Clock rc = 0;           ///< activate to activate, one bank
  Clock rrd_s = 0;        ///< activate to activate, other bank groups of a pseudo-channel
  Clock rrd_l = 0;        ///< activate to activate, one bank group
  Clock faw = 0;          ///< any four activates of a pseudo-channel, to the fifth
  Clock ccd_s = 0;        ///< read to read, other bank groups of a rank
  Clock ccd_l = 0;        ///< read to read, one bank group
  Clock ccd_r = 0;        ///< read to read, other ranks of a pseudo-channel
  Clock rtp = 0;          ///< read to precharge
  Clock cl = 0;           ///< read to first data
  Clock burst = 0;        ///< on the data bus
  Clock act_command = 0;  ///< that an activate holds the row command bus for
  Clock refi = 0;         ///< between refreshes of all banks
  Clock rfc = 0;          ///< refresh of all banks to activate
  Clock rfc_bank = 0;     ///< refresh of one bank to activate
};

/// Channels of a stack, pseudo-channels of a channel, and so on down to banks of a group.
struct DramShape {
  std::uint32_t stacks = 1;
  std::uint32_t channels = 1;
  std::uint32_t pseudo_channels = 1;
  std::uint32_t ranks = 1;  ///< stack ids of HBM3
  std::uint32_t bank_groups = 1;
  std::uint32_t banks = 1;
  std::uint64_t rows = 1;
  std::uint32_t row_bytes = 1024;    ///< of a bank of one pseudo-channel
  std::uint32_t burst_bytes = 32;    ///< of one read command
  std::uint32_t stack_bytes = 4096;  ///< consecutive bytes of one stack

  std::uint32_t all_channels() const noexcept { return stacks * channels; }
  std::uint32_t banks_of_rank() const noexcept { return bank_groups * banks; }
  std::uint32_t banks_of_pseudo_channel() const noexcept { return ranks * banks_of_rank(); }
  std::uint32_t banks_of_channel() const noexcept { return pseudo_channels * banks_of_pseudo_channel(); }
  std::uint32_t bursts_of_line() const noexcept { return dram_line_bytes / burst_bytes; }
  std::uint32_t lines_of_row() const noexcept { return row_bytes / dram_line_bytes; }
};

/// A configuration of the model `hbm`: docs/memory-hbm.md says what each key means.
struct DramConfig {
  std::uint64_t clock_ps = 1000;
  DramShape shape;
  DramTiming timing;
  std::string mapping;
  QueueKind queue = QueueKind::channel;
  std::uint32_t queue_depth = 32;       ///< bursts
  std::uint32_t transaction_depth = 0;  ///< lines that wait for a place in a queue; 0: none do
  Scheduling scheduling = Scheduling::fr_fcfs;
  Arbitration arbitration = Arbitration::oldest;
  CloseRow close_row = CloseRow::wanted;
  std::uint32_t row_hit_limit = 0;  ///< 0: none
  EntryUntil entry_until = EntryUntil::read;
  bool merge_reads = false;  ///< a read of a line that is already waiting is served with it
  PagePolicy page_policy = PagePolicy::open;
  Refresh refresh = Refresh::all_bank;
  RefreshPhase refresh_phase = RefreshPhase::together;
  Injection injection = Injection::in_order;
  std::uint32_t injection_per_clock = 64;
  BatchSort batch_sort = BatchSort::none;
  double overhead_ns = 0;  ///< of a gather, outside the memory

  /// Throws ConfigError for a value out of range, and for values that contradict each other.
  static DramConfig read(ConfigObject& config);
  /// Of the data buses of all channels together.
  double peak_gb_s() const noexcept;
};

}  // namespace dsasim
