#pragma once

#include "dsasim/generate/model.hpp"
#include "dsasim/types.hpp"

#include "generate/departed.hpp"
#include "generate/draws.hpp"
#include "generate/entry_state.hpp"
#include "generate/id_set.hpp"
#include "generate/level.hpp"
#include "generate/weights.hpp"

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
  std::uint32_t local = 0;         ///< with the sinks no more than half of the top-k
  std::vector<bool> popular_page;  ///< by page; empty: none is special
  double popular_share = popular_part;
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

  /// Takes the latest selection for that of step 0, and forgets what was before.
  std::span<const EntryId> restart();

 private:
  struct Candidate {
    std::uint32_t id;
    std::uint32_t cell = 0;  ///< if it was selected once
    double weight = 1;       ///< but for the peer's
  };

  void draw_anew();
  void grow_context(std::uint64_t context);
  void count_untouched_prompt();
  struct Expected {
    double by_tables = 0;
    double by_weights = 0;
  };
  Expected sort_selection(const Peer& peer);
  void draw_leavers(double factor);
  bool is_forced(std::uint32_t id) const noexcept {
    return (static_cast<unsigned>(id < setup_.sinks) | static_cast<unsigned>(id + setup_.local >= context_)) != 0;
  }
  void make_room_for_local(std::size_t size);
  void take_forced(std::size_t wanted);
  void take_forced_between(std::uint64_t first, std::uint64_t last, std::size_t wanted);
  double expected_firsts() const noexcept;
  void find_candidates(const Peer& peer);
  Expected weigh_departed();
  Expected weigh_untouched();
  void draw_entrants(std::size_t wanted, double expected, const Peer& peer);
  void draw_from_peer(double factor);
  void draw_departed(double factor, const Peer& peer);
  bool may_return(const Departed::Entry& entry, const Peer& peer) const noexcept {
    return (static_cast<unsigned>(states_[entry.id].out_since(entry.since)) &
            static_cast<unsigned>(!selected_.has(entry.id)) & static_cast<unsigned>(peer.has(entry.id) == 0)) != 0;
  }
  void take_some(std::span<const Departed::Entry> entries, double probability, const Peer& peer);
  void draw_first(double factor, const Peer& peer);
  void draw_first_between(std::uint64_t first, std::uint64_t last, double probability, const Peer& peer);
  void fill(std::size_t wanted);
  void drop(std::size_t wanted);
  void take(std::uint32_t id);
  void exchange();
  void adjust_balance(const Peer& peer, double churn);
  void enter(std::uint32_t id);

  std::uint32_t others_of_page(std::uint32_t id, std::uint32_t itself) const noexcept {
    return selected_of_page_[id / page_entries] - itself;
  }
  std::size_t place(std::uint32_t id) const noexcept { return place_of(id, context_ - id); }
  double first_probability(std::uint32_t id) const noexcept;
  double first_weight(std::uint32_t id) const noexcept;
  double popularity_factor(std::uint32_t id) const noexcept;
  /// Of what was never selected, in Surroundings::peer.
  std::size_t first_class() const noexcept { return step_ == 0 ? 0 : 1; }

  const LayerStatistics& statistics_;
  const StreamSetup& setup_;
  Balance balance_;
  Weights leave_by_;
  Weights come_back_by_;
  Weights first_by_;
  Draws draws_;
  std::uint64_t step_ = 0;
  std::uint64_t context_ = 0;
  std::vector<EntryState> states_;
  std::uint32_t pages_touched_ = 0;
  std::vector<std::uint8_t> selected_of_page_;  ///< by page: entries, at the step before
  IdSet selected_;
  std::vector<EntryId> selection_;
  /// Of selection_: its cell, doubled, plus 1 with the peer.
  std::vector<std::uint16_t> selection_cells_;
  std::vector<double> selection_weights_;  ///< but for the peer's; if leave_by_ is not flat
  std::vector<std::uint32_t> leavers_;
  std::vector<std::uint32_t> entrants_;
  /// Selected by the peer, and not here at the step before: those that were once, and those that never were.
  std::vector<Candidate> returning_candidates_;
  std::vector<Candidate> first_candidates_;
  std::vector<std::uint32_t> found_;  ///< scratch
  Departed departed_;
  Steered leave_steering_;
  std::array<Level, cells> leave_level_;
  std::array<Level, cells> come_back_level_;
  Level first_level_;
  /// The weights, but for the peer's, of entries without the peer that were met in drawing.
  std::array<Level, cells> met_departed_;
  Level met_first_;
  double met_first_entries_ = 0;
  double met_first_sum_ = 0;
  std::array<std::uint64_t, distance_buckets> untouched_prompt_{};   ///< never selected, by distance from its end
  std::array<std::uint64_t, distance_buckets> untouched_decoded_{};  ///< the same of decoded ones, from the query
};

}  // namespace dsasim::synthesis
