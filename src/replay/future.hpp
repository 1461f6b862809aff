#pragma once

#include "dsasim/cache/cache.hpp"
#include "dsasim/zeroed_array.hpp"
#include "replay/access_order.hpp"
#include "replay/directory_layout.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// An unnamed file in $TMPDIR (or /tmp), gone when it is closed or the program ends in any way.
class ScratchFile {
 public:
  ScratchFile();
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  void append(std::span<const NextUse> values);
  void read(std::uint64_t offset, std::span<NextUse> values) const;
  std::uint64_t size() const noexcept { return size_; }

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// Belady's knowledge: for each access of a replay, in its order, how many accesses of the same cache later its entry
/// is accessed again.
///
/// The trace is decoded window by window from its end, a window being a chunk's steps, and walked backwards with the
/// last use of each entry in a directory of its own. The distances, four bytes an access, go to a scratch file (the
/// window that is needed first stays in memory) and come back window by window.
class Future {
 public:
  Future(const TraceReader& trace, const ReplayConfig& config, StepRange steps, const DirectoryLayout& layout);

  /// What it holds in memory: a directory, the longest window, and, in the policy, a number for each access.
  static double bytes(const TraceReader& trace, const DirectoryLayout& layout);

  /// The next uses of the next `count` accesses or inserts, in replay order. Valid until the next call.
  std::span<const NextUse> next(std::size_t count);

  /// How many of them one selection takes, inserts included.
  std::size_t count(std::uint32_t layer, std::uint32_t request, std::uint64_t step, const SelectionRows& rows);

  /// For preloads, before the first next(): the accesses of the cache before the entry's first.
  NextUse first_use(std::uint32_t cache, std::uint32_t key) const noexcept;
  /// Ends the preloads: frees what only they need.
  void forget_first_uses();

 private:
  struct Selection {
    std::uint32_t stream;
    std::uint32_t accesses;
    std::uint32_t inserts;
    IdRange forgotten;  ///< after it
  };
  struct Window {
    std::vector<EntryId> entries;  ///< of the inserts, then of the accesses, of each selection in order
    std::vector<Selection> selections;
  };
  struct Block {
    std::uint64_t offset;
    std::uint64_t count;
  };

  std::uint32_t stream_of(std::uint32_t layer, std::uint32_t request) const noexcept;
  void decode(StepRange window_steps, Window& window);
  void add_selection(Window& window, std::uint32_t stream, std::uint64_t step, const SelectionRows& rows);
  void add_forgotten(Window& window, std::uint64_t step, std::span<const std::uint32_t> active) const;
  DecodeStep step_of(std::uint32_t request, std::uint64_t step) const;
  EntriesApart entries_apart(std::uint32_t stream, std::uint64_t step) const;
  void walk_back(const Window& window);
  NextUse use_before(std::uint32_t cache, std::uint32_t key, bool access);
  void load_next_block();

  const TraceReader& trace_;
  const DirectoryLayout& layout_;
  AccessOrder order_;
  std::vector<ZeroedArray<std::uint32_t>> last_use_;  ///< by cache and key: accesses counted from the end, plus one
  std::vector<std::uint32_t> walked_;                 ///< by cache: accesses walked so far
  ScratchFile file_;
  std::vector<Block> blocks_;  ///< those in the file; the last is the first to come back
  std::vector<NextUse> current_;
  std::size_t at_ = 0;
};

}  // namespace dsasim
