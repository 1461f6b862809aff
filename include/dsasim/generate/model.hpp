#pragma once

#include "dsasim/trace/header.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// The statistics of selections that `generate` draws from. docs/generate.md writes the model down as formulas.

namespace dsasim {

/// Durations in steps fall into 12 buckets: 1, 2, 3-4, 5-8, ..., 513-1024, longer.
inline constexpr std::size_t duration_buckets = 12;

/// Distances in entries, from the query for entries of decoded tokens (its own is 1), from the prompt's end for those
/// of the prompt (the last is 1): 1, 2, 3-4, 5-8, ..., up to 2^31.
inline constexpr std::size_t distance_buckets = 32;

/// Classes of how often an entry was selected lately. 0 .. 3: an entry of the prompt that is in the selection for the
/// first time, since step 0, 1 .. 8, 9 .. 64, or later. 4: one of a decoded token that is. 5 .. 11: the moving average
/// of "selected" over 128 steps, when the entry last entered or left the selection, was below 1/32, 1/8, 1/4, 1/2, 3/4,
/// 7/8, or above that.
inline constexpr std::size_t first_run_classes = 5;
inline constexpr std::size_t activity_classes = 12;

/// `steps` counts from 1; 0 is taken for 1.
constexpr std::size_t duration_bucket(std::uint64_t steps) noexcept {
  const auto bucket = static_cast<std::size_t>(std::bit_width(std::max<std::uint64_t>(steps, 1) - 1));
  return std::min(bucket, duration_buckets - 1);
}

/// `distance` counts from 1.
constexpr std::size_t distance_bucket(std::uint64_t distance) noexcept {
  return static_cast<std::size_t>(std::bit_width(distance - 1));
}

/// Steps that the selection before the first one is away, for the entries of the prompt: 0 at step 0, then the
/// duration buckets.
inline constexpr std::size_t observation_buckets = duration_buckets + 1;
constexpr std::size_t observation_bucket(std::uint64_t step) noexcept {
  return step == 0 ? 0 : duration_bucket(step) + 1;
}

/// Entries of a page: of what is popular together (Popularity) and of what crowds together (Surroundings).
inline constexpr std::uint32_t page_entries = 16;
inline constexpr double popular_part = 0.125;  ///< share of the pages

/// Places of entries. 0 .. 4: positions 0, 1, 2-3, 4-7 and 8-15, where sinks are. Then by distance from the query, two
/// to each doubling.
inline constexpr std::size_t first_places = 5;
inline constexpr std::uint64_t first_place_entries = std::uint64_t{1} << (first_places - 1);
inline constexpr std::size_t place_count = first_places + 2 * distance_buckets;
constexpr std::size_t place_of(std::uint64_t id, std::uint64_t distance) noexcept {
  if (id < first_place_entries) {
    return static_cast<std::size_t>(std::bit_width(id));
  }
  const std::size_t bucket = distance_bucket(distance);
  const std::uint64_t upper_half = bucket < 2 ? 0 : ((distance - 1) >> (bucket - 2)) & 1U;
  return first_places + 2 * bucket + static_cast<std::size_t>(upper_half);
}

/// How many other entries of an entry's page were selected at the step before: 0, 1, 2, 3-4, 5-8, more.
inline constexpr std::size_t crowd_count = 6;
constexpr std::size_t crowd_of(std::uint32_t others) noexcept {
  return others < 2 ? others : std::min<std::size_t>(distance_bucket(others) + 1, crowd_count - 1);
}

/// Probabilities that depend on the entry's activity class and on how long it has been in, or out of, the selection.
using HistoryTable = std::array<std::array<double, duration_buckets>, activity_classes>;

/// How much likelier something is for entries that the layer before did not (0) or did (1) select at the same step.
using PeerRatio = std::array<double, 2>;

/// How much likelier something is for an entry because of what surrounds it. Only ratios matter: the generator divides
/// by the mean over the entries of the same history, so that surroundings say which entries are exchanged and not how
/// many.
struct Surroundings {
  std::array<PeerRatio, activity_classes>
      peer;  ///< by activity class; of entries never selected: the first, at step 0, else the second
  std::array<std::array<double, place_count>, activity_classes> place;
  std::array<double, crowd_count> crowd;

  /// Nothing matters but the peer, and that in the same way for all.
  static Surroundings of_peer(const PeerRatio& ratio) noexcept {
    Surroundings surroundings{};
    surroundings.peer.fill(ratio);
    std::ranges::for_each(surroundings.place, [](auto& factors) { factors.fill(1); });
    surroundings.crowd.fill(1);
    return surroundings;
  }
};

/// What selections are made of, on average and by the id.
struct SelectionShares {
  std::array<double, place_count> place{};  ///< at each place; sums up to 1
  double with_peer = 0;                     ///< selected by the layer before at the same step
  double exchanged = 0;                     ///< not selected at the step before
  double pages = 0;                         ///< pages touched; 0: nothing was measured, and nothing is kept to it
};

/// The probabilities of one layer's step.
struct LayerStatistics {
  HistoryTable leave{};      ///< of a selected entry, by activity and age: it is not selected again
  HistoryTable come_back{};  ///< of an entry that was selected, by activity and gap: it is selected again
  /// Of an entry of the prompt that never was: it is selected. By distance and step.
  std::array<std::array<double, observation_buckets>, distance_buckets> first_prompt{};
  std::array<double, distance_buckets> first_decoded{};  ///< the same for entries of decoded tokens
  Surroundings leave_by = Surroundings::of_peer({1, 1});
  Surroundings come_back_by = Surroundings::of_peer({1, 1});
  Surroundings first_by = Surroundings::of_peer({1, 1});
  SelectionShares shares;
  bool anew = false;  ///< each selection is drawn anew, all entries alike: nothing else here matters
};

/// Some positions are wanted more than others: a page of 16 entries is popular with a chance of 1/8, in all layers.
struct Popularity {
  double popular_share = popular_part;  ///< of the first selections, on popular pages; their own share: none is special
  double common_share = 0;              ///< of the pages whose popularity is the same in all requests
};

/// All that a synthetic trace is drawn from.
struct SelectionModel {
  std::uint32_t top_k = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t steps = 0;
  std::uint32_t requests = 1;
  std::uint32_t unit_tokens = 1;
  std::uint64_t entry_bytes = 0;
  std::string model;              ///< free text for the header
  std::vector<LayerInfo> layers;  ///< one for each of `statistics`
  std::vector<LayerStatistics> statistics;
  /// How unsettled each step is: factors on the entries that are exchanged, [step * layers + layer]. A synthetic trace
  /// takes stretches of it, all layers together. Empty: 1.
  std::vector<double> churn;
  double common_churn = 0;  ///< share of the stretches that all requests take together
  Popularity popularity;
  /// Steps that are drawn before the first one, whose selection is then what they come to.
  std::uint32_t settling_steps = 0;
  std::uint32_t sinks = 0;  ///< entries at the start that are always selected, whatever the tables say
  std::uint32_t local = 0;  ///< the latest entries likewise
  /// Whether the entry that the last tokens are filling can be selected.
  bool selects_begun = false;
  /// By layer, as TraceHeader::stores; empty: a store for each layer of the model, of unit_tokens and entry_bytes.
  std::vector<StoreInfo> stores;
  std::uint32_t queries = 1;  ///< of each step: the token's own, and drafts
  double acceptance = 0;      ///< probability that a draft is accepted, if those before it are

  std::uint32_t unit_of(std::size_t layer) const noexcept {
    return stores.empty() ? unit_tokens : stores[layer].unit_tokens;
  }
};

/// One request of a batch, where they differ.
struct RequestShape {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t steps = 0;
  std::uint32_t start_step = 0;
};

}  // namespace dsasim
