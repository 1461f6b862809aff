#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dsasim {

/// A size that a part may get: what it costs, and what the part loses with it.
struct Choice {
  std::uint64_t cost = 0;
  std::uint64_t loss = 0;
};

/// The number of a choice, for each part.
using Split = std::vector<std::size_t>;

/// How to split a budget over parts, each of which takes one of its choices: at least one, by ascending cost. Losses
/// may rise with the cost here and there, and need not be convex. The cheapest choices have to fit the budget, and the
/// parts' largest costs and losses to add up to less than 2^62.

/// Walks down the parts' lower convex hulls, steepest edge first, each as long as its edges fit. Equal slopes go to the
/// earlier part.
Split hull_split(std::span<const std::vector<Choice>> parts, std::uint64_t budget);

/// Loses least, and of all that do, by a rule that depends on nothing else, one. Exact:
///
/// At a price p/q a unit, each part's best choice minimises q loss + p cost, and their sum less p budget is a lower
/// bound of q times any split's loss. By how much a split exceeds it is its gap: the sum over the parts of what their
/// choices exceed their best ones by, plus p times what is left of the budget. All of these are at least 0, so within a
/// gap G only choices and partial sums within G matter. A dynamic program over the cost finds the best of all splits
/// within G; if there is one, no other split is better, as those beyond G exceed it. The price is the slope at which
/// the hull split stops. First the gap of a good split is found: the hull split's, or that of the best one near it.
/// Then G grows from small until it has a split, up to that gap; if none is found, the good split is optimal.
///
/// Throws ConfigError if the costs within reach are too many to tell apart (2^28 units).
Split least_loss_split(std::span<const std::vector<Choice>> parts, std::uint64_t budget);

/// What a split comes to.
Choice sum_of(std::span<const std::vector<Choice>> parts, const Split& split);

}  // namespace dsasim
