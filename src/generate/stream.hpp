#pragma once

#include "dsasim/generate/model.hpp"
#include "dsasim/types.hpp"

#include "generate/draws.hpp"
#include "generate/entry_state.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim::synthesis {

/// What all streams of a request share.
struct StreamSetup {
  std::uint64_t prompt_entries = 0;  ///< entries that exist before the first step
  std::uint64_t most_entries = 0;    ///< that exist at the last step
  std::uint32_t top_k = 0;
  std::uint32_t sinks = 0;
  std::vector<bool> popular_page;  ///< of pages of 16 entries; empty: none is special
  double popular_share = 0.125;
};

/// A set of ids as bits.
class IdSet {
 public:
  explicit IdSet(std::uint64_t ids) : words_((ids + 63) / 64) {}
  bool has(std::uint32_t id) const noexcept { return ((words_[id / 64] >> (id % 64)) & 1U) != 0; }
  void add(std::uint32_t id) noexcept { words_[id / 64] |= std::uint64_t{1} << (id % 64); }
  void remove(std::uint32_t id) noexcept { words_[id / 64] &= ~(std::uint64_t{1} << (id % 64)); }

  /// Its ids, ascending; there are `count`.
  void list(std::size_t count, std::vector<EntryId>& ids) const;

 private:
  std::vector<std::uint64_t> words_;
};

/// The selections of one request in one layer, step after step (docs/generate.md). Memory is bounded by the context.
class Stream {
 public:
  Stream(const LayerStatistics& statistics, const StreamSetup& setup, Draws draws);

  /// What the layer before selected at the same step; both empty for the first layer.
  struct Peer {
    std::span<const EntryId> ids;
    const IdSet* set;

    std::size_t has(std::uint32_t id) const noexcept {
      return static_cast<std::size_t>(set != nullptr && set->has(id));
    }
  };

  /// Draws the next step's selection: ascending, min(top_k, context) ids, all below `context`. `churn` multiplies the
  /// number of entries that are exchanged.
  std::span<const EntryId> next(std::uint64_t context, double churn, const Peer& peer);

 private:
  /// Activity class and duration bucket as one number.
  static constexpr std::size_t cells = activity_classes * duration_buckets;
  static constexpr std::size_t cell_of(std::size_t activity, std::size_t bucket) noexcept {
    return activity * duration_buckets + bucket;
  }
  std::size_t cell_of(const EntryState& state) const noexcept {
    return cell_of(state.activity_class(), duration_bucket(step_ - state.since()));
  }

  struct Departed {
    std::uint32_t id;
    std::uint32_t since;
  };
  /// Those that left, of one activity class and one bucket of gaps, oldest first. May hold some that are back already.
  struct Queue {
    std::vector<Departed> items;
    std::size_t head = 0;
    std::uint64_t still_out = 0;  ///< the others
  };
  /// How many there have been, lately, with and without the peer.
  struct Share {
    double without = 0;
    double with = 0;

    void add(double without_peer, double with_peer) noexcept {
      constexpr double kept = 63.0 / 64;
      without = without * kept + without_peer;
      with = with * kept + with_peer;
    }
    /// Factors in the proportion of `ratio` whose mean is 1.
    PeerRatio factors(const PeerRatio& ratio) const noexcept;
  };
  struct Candidate {
    std::uint32_t id;
    std::uint32_t cell;  ///< `cells`: never selected
  };

  void grow_context(std::uint64_t context);
  void age_departed();
  bool still_out(const Departed& departed) const noexcept {
    const EntryState& state = states_[departed.id];
    return !state.selected() && state.since() == departed.since;
  }
  double sort_selection(const Peer& peer);
  void draw_leavers(double factor);
  void take_sinks(std::size_t wanted);
  double expected_entrants() const noexcept;
  double expected_firsts() const noexcept;
  void draw_entrants(std::size_t wanted, double expected, const Peer& peer);
  void find_candidates(const Peer& peer);
  void draw_from_peer(double factor);
  void draw_departed(double factor, const Peer& peer);
  void draw_first(double factor, const Peer& peer);
  void draw_first_between(std::uint64_t first, std::uint64_t last, double probability, const Peer& peer);
  double first_probability(std::uint32_t id) const noexcept;
  double popularity_factor(std::uint32_t id) const noexcept;
  void take(std::uint32_t id);
  void fill(std::size_t wanted);
  void drop(std::size_t wanted);
  void enter_all();

  const LayerStatistics& statistics_;
  const StreamSetup& setup_;
  Draws draws_;
  std::uint64_t step_ = 0;
  std::uint64_t context_ = 0;
  std::uint64_t touched_ = 0;
  std::vector<EntryState> states_;
  IdSet selected_;
  std::vector<EntryId> selection_;
  std::vector<std::uint16_t> selection_cells_;  ///< of selection_: its cell, doubled, plus 1 with the peer
  std::vector<std::uint32_t> entrants_;
  std::vector<Candidate> candidates_;  ///< selected by the peer and not here
  std::array<Queue, cells> departed_;
  std::array<Share, cells> leave_shares_;
  std::array<Share, cells + 1> enter_shares_;
  std::array<std::uint64_t, distance_buckets> untouched_prompt_{};   ///< never selected, by distance from its end
  std::array<std::uint64_t, distance_buckets> untouched_decoded_{};  ///< the same of decoded ones, from the query
};

}  // namespace dsasim::synthesis
