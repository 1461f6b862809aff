#pragma once

#include "dsasim/import/source.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace dsasim {

// The serving stacks keep the KV rows of a request in slots of a pool, in pages of contiguous slots, and may log slots
// instead of positions. Nothing in a capture says so.

/// The first id of a step that is no position: one that is not below the context.
std::optional<std::size_t> find_slot(std::span<const std::int64_t> ids, std::uint64_t context) noexcept;

/// Whether the ids of a capture are slots. A selection is a witness if one of its ids is no position. One can be
/// damage; slots are proven by half of the selections and at least two ids, among the first `enough` selections that
/// have any. Of real slots nearly all selections are witnesses: a query's own position, which 97 to 100% of them name,
/// lies in a slot not below its number where slots are taken in order, and anywhere in the pool where they are not.
///
/// Positions of rows that begin late, or behind a longer prompt than declared, are witnesses as well, all by the same
/// distance s. In slots taken in order that would be the number of the first slot; an id below s says that it is not.
class SlotWitnesses {
 public:
  static constexpr std::uint64_t enough = 1024;

  /// The next step: rows of top_k ids, negative where padded.
  void add(std::span<const std::int64_t> ids, std::uint32_t top_k, std::uint64_t context) noexcept;

  bool has_enough() const noexcept { return selections_ >= enough; }
  bool prove_slots() const noexcept;
  std::uint64_t selections() const noexcept { return selections_; }  ///< that have ids
  std::uint64_t witnesses() const noexcept { return witnesses_; }

 private:
  std::uint64_t selections_ = 0;
  std::uint64_t witnesses_ = 0;
  std::uint64_t ids_beyond_ = 0;
  std::int64_t least_id_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t farthest_ = 0;      ///< of a witness's largest id from its query's own position
  std::uint64_t at_farthest_ = 0;  ///< witnesses
};

/// Learns which position each slot of one request holds, from its steps in order:
///
/// - A selection of everything lists the slots of positions 0, 1, ... in order. The first step has to have one: without
///   it the pages of the prompt stay uncertain.
/// - A page of slots holds a page of positions: slot s holds a position p with s mod page = p mod page, and the slots
///   of a page belong to one page of positions.
/// - So a page of slots that was not seen before is one of the pages of positions whose slots are unknown. It is
///   certain which if there is only one whose position the context reaches.
///
/// Everything is checked against everything that was learned before.
class SlotPages {
 public:
  /// `page` is the size of a page; 1 assumes nothing.
  explicit SlotPages(std::uint32_t page) : page_(page) {}

  /// The next step: rows of top_k ids, negative where padded. False if a position is uncertain or contradicts what was
  /// learned; reason() then says which.
  bool learn(std::span<const std::int64_t> ids, std::uint32_t top_k, std::uint64_t context);
  const std::string& reason() const noexcept { return reason_; }

  /// The position of a slot that was in a step learned; nothing for others.
  std::optional<std::int64_t> position(std::int64_t slot) const;

 private:
  bool learn_everything(std::span<const std::int64_t> row);
  bool learn_some(std::span<const std::int64_t> row, std::uint64_t context);
  bool learn_page(std::uint64_t slot_page, std::uint64_t position_page);
  std::optional<std::uint64_t> only_page_for(std::int64_t slot, std::uint64_t context);

  std::uint32_t page_;
  std::unordered_map<std::uint64_t, std::uint64_t> position_page_of_;  ///< of a page of slots
  std::vector<bool> is_known_;       ///< of each page of positions that the context reaches
  std::set<std::uint64_t> unknown_;  ///< the pages of positions whose slots are not known
  std::string reason_;
};

}  // namespace dsasim
