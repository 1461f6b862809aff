#pragma once

#include "capture.hpp"
#include "dsasim/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

// What the selections themselves say of what was declared of them. In the captures of traces/ 97 to 100% of the
// selections name the position of their own query, which is the newest that they can name; rows that begin one early,
// a prompt of another length or ids that stand for several tokens show in the largest id of each selection.

/// What the selections of one request say.
class RequestEvidence {
 public:
  /// A selection of `size` ids, at least one, that are positions below `context`, the number of positions that its
  /// query sees, or above.
  void add(std::uint64_t largest, std::size_t size, std::uint64_t context) noexcept;

  std::uint64_t selections() const noexcept { return selections_; }
  /// Of all selections: those whose largest id is their query's own position.
  std::uint64_t names_own() const noexcept { return names_own_; }
  /// Selections that leave something out. The others say nothing of their context.
  std::uint64_t telling() const noexcept { return telling_; }
  /// How far from their query's own position most of the telling selections end, if most (80%) end equally far and few
  /// (10%) at it: -1 for rows that begin one early.
  std::optional<std::int64_t> shift() const noexcept;
  std::uint64_t shifted() const noexcept { return at_candidate_; }
  /// The largest n for which no id of a telling selection reaches beyond 1 / n of its context.
  std::uint64_t unit() const noexcept { return telling_ == 0 ? 1 : unit_; }

 private:
  std::uint64_t selections_ = 0;
  std::uint64_t names_own_ = 0;
  std::uint64_t telling_ = 0;
  std::uint64_t telling_own_ = 0;
  std::uint64_t unit_ = ~std::uint64_t{0};
  // The majority, found in one pass (Boyer and Moore): a candidate, what speaks for it, and how often it was met since.
  std::int64_t candidate_ = 0;
  std::uint64_t votes_ = 0;
  std::uint64_t at_candidate_ = 0;
};

/// Ids that name positions which their queries do not see.
struct IdsBeyondContext {
  std::uint64_t selections = 0;
  std::uint64_t ids = 0;
  std::string first;  ///< "a.npz: request 0, step 1, layer 0: id 42 lies outside the context of 42 entries"
};

/// Of each request a few selections, to find those that are there twice: two ranks of a server log the same request.
class RequestPrints {
 public:
  explicit RequestPrints(std::span<const Capture> captures);

  /// A selection of the request that leaves something out.
  void add(std::uint32_t request, std::uint64_t step, std::size_t layer, std::span<const EntryId> ids);

  /// A sentence for each of the first few requests that agree with one before, and how many do so besides.
  std::vector<std::string> twins(std::span<const Capture> captures) const;

 private:
  static constexpr std::size_t samples = 16;

  struct Prints {
    std::uint64_t steps = 0;
    std::size_t layers = 0;
    std::array<std::uint64_t, samples> of_sample{};  ///< 0 where there is none
  };

  std::vector<Prints> requests_;
};

/// What was declared of the ids of a batch.
struct Declared {
  bool ids_are_positions = true;  ///< of single entries; nothing else is looked at
  bool unit_tokens = false;       ///< somebody said how many tokens an id stands for
  std::uint32_t entry_tokens = 1;
  bool skip_bad = false;
};

/// What contradicts what was declared: a sentence for each thing that is likely. Throws TraceError for what is certain,
/// or open and not answered by the ids; each names the option that says it.
std::vector<std::string> find_contradictions(std::span<const Capture> captures,
                                             std::span<const RequestEvidence> evidence, const IdsBeyondContext& beyond,
                                             const Declared& declared);

}  // namespace dsasim
