#pragma once

#include "dsasim/trace/header.hpp"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dsasim::trace {

/// In which form selections are wanted. Those that were not logged in ascending order, and those in an id space too
/// sparse for sets, come as lists whatever is asked for.
struct SelectionForms {
  bool ids = true;
  bool sets = false;
};

/// The decoded selections of one lane at some consecutive steps. The memory is kept from block to block.
class SelectionBlock {
 public:
  /// One for each query of its steps: where steps have one query, as many as steps.
  std::uint64_t rows() const noexcept { return rows_.size(); }

  /// Of the block's row `number`, from 0. Without the list `ids` is null, without the set `words`.
  SelectionView operator[](std::size_t number) const noexcept {
    const Row& row = rows_[number];
    return {.ids = row.has_ids ? ids_.data() + row.at : nullptr,
            .scores = has_scores_ ? scores_.data() + row.at : nullptr,
            .size = row.size,
            .words = set_words_ == 0 ? nullptr : words_.data() + number * set_words_,
            .word_count = static_cast<std::uint32_t>(set_words_),
            .ascending = row.ascending};
  }

 private:
  friend class BlockCursor;
  struct Row {
    std::size_t at;  ///< of its ids in ids_
    std::uint32_t size;
    bool ascending;
    bool has_ids;
  };

  std::vector<Row> rows_;
  std::vector<EntryId> ids_;
  std::vector<std::uint16_t> scores_;
  std::vector<std::uint64_t> words_;
  std::size_t set_words_ = 0;  ///< words of a set; 0 without sets
  bool has_scores_ = false;
};

}  // namespace dsasim::trace
