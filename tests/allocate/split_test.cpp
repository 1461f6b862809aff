// Splits of a budget against every split there is, over random losses of all shapes.

#include "allocate/split.hpp"

#include "catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace dsasim;

namespace {

using Parts = std::vector<std::vector<Choice>>;

/// The least loss of all splits within the budget, by trying each.
std::uint64_t least_loss_of_all(const Parts& parts, std::uint64_t budget, std::size_t part = 0) {
  if (part == parts.size()) {
    return 0;
  }
  constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t least = none;
  for (const Choice& choice : parts[part]) {
    if (choice.cost <= budget) {
      const std::uint64_t later = least_loss_of_all(parts, budget - choice.cost, part + 1);
      least = later == none ? least : std::min(least, choice.loss + later);
    }
  }
  return least;
}

/// The least loss by a table over every budget: slow, and plain.
std::uint64_t least_loss_by_table(const Parts& parts, std::uint64_t budget) {
  constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> least(budget + 1, 0);
  for (const auto& choices : parts) {
    std::vector<std::uint64_t> next(budget + 1, none);
    for (std::uint64_t spent = 0; spent <= budget; ++spent) {
      for (const Choice& choice : choices) {
        if (choice.cost <= spent && least[spent - choice.cost] != none) {
          next[spent] = std::min(next[spent], least[spent - choice.cost] + choice.loss);
        }
      }
    }
    least = std::move(next);
  }
  return least[budget];
}

/// Losses of one shape or another: convex, a cliff, stairs, rough, flat, rising here and there.
std::vector<Choice> random_choices(std::mt19937_64& bits, std::size_t most_choices, std::uint64_t cost_step) {
  const auto draw = [&](std::uint64_t bound) { return bits() % bound; };
  std::vector<Choice> choices;
  std::uint64_t cost = draw(3) * cost_step;
  std::uint64_t loss = 200 + draw(200);
  const std::uint64_t shape = draw(6);
  const std::uint64_t cliff = draw(most_choices);
  for (std::size_t i = 0; i < 1 + draw(most_choices); ++i) {
    choices.push_back({.cost = cost, .loss = loss});
    cost += cost_step * (shape == 3 ? 1 + draw(4) : 1);
    const std::uint64_t drops[] = {loss / 3, i == cliff ? loss - 5 : 0, i % 3 == 2 ? 30U : 0U, draw(40), 0, draw(20)};
    loss -= std::min(loss, drops[shape]);
    loss += shape == 5 ? draw(12) : 0;
  }
  return choices;
}

std::uint64_t least_cost(const Parts& parts) {
  std::uint64_t cost = 0;
  for (const auto& choices : parts) {
    cost += choices.front().cost;
  }
  return cost;
}

}  // namespace

TEST_CASE("no split of all there are loses less, and the hull's is one of them", "[allocate]") {
  std::mt19937_64 bits(1);
  int better_than_hull = 0;
  for (int round = 0; round < 3000; ++round) {
    Parts parts;
    const std::uint64_t cost_step = 1 + bits() % 5;
    const std::size_t count = 1 + bits() % 4;
    for (std::size_t part = 0; part < count; ++part) {
      parts.push_back(random_choices(bits, 8, cost_step * (bits() % 4 == 0 ? 3 : 1)));
    }
    const std::uint64_t budget = least_cost(parts) + bits() % (cost_step * 30);
    const Split optimal = least_loss_split(parts, budget);
    const Split hull = hull_split(parts, budget);
    CAPTURE(round, budget);
    REQUIRE(sum_of(parts, optimal).cost <= budget);
    REQUIRE(sum_of(parts, hull).cost <= budget);
    const std::uint64_t expected = least_loss_of_all(parts, budget);
    REQUIRE(sum_of(parts, optimal).loss == expected);
    REQUIRE(sum_of(parts, hull).loss >= expected);
    better_than_hull += sum_of(parts, hull).loss > expected ? 1 : 0;
  }
  CHECK(better_than_hull > 100);  // otherwise these were easy
}

TEST_CASE("many parts with long curves lose what a table over every budget says", "[allocate]") {
  std::mt19937_64 bits(2);
  for (int round = 0; round < 40; ++round) {
    Parts parts;
    for (std::size_t part = 0; part < 12; ++part) {
      parts.push_back(random_choices(bits, 60, 1));
    }
    const std::uint64_t budget = least_cost(parts) + bits() % 400;
    CAPTURE(round, budget);
    REQUIRE(sum_of(parts, least_loss_split(parts, budget)).loss == least_loss_by_table(parts, budget));
  }
}

TEST_CASE("parts that gain almost the same for their cost, of which not all fit", "[allocate]") {
  // A knapsack: the hull split leaves much of the budget over, so that many splits lie between it and the bound, many
  // with the same cost, and most are not the best.
  std::mt19937_64 bits(3);
  int better_than_hull = 0;
  for (int round = 0; round < 300; ++round) {
    const auto draw = [&](std::uint64_t bound) { return bits() % bound; };
    Parts parts;
    std::uint64_t most = 0;
    for (std::size_t left = 5 + draw(8); left > 0; --left) {
      auto& choices = parts.emplace_back();
      choices.push_back({.cost = 0, .loss = 2000});
      for (std::uint64_t steps = 1 + draw(3); steps > 0; --steps) {
        const std::uint64_t width = 10 + draw(40);
        choices.push_back({.cost = choices.back().cost + width, .loss = choices.back().loss - 10 * width - draw(60)});
      }
      most += choices.back().cost;
    }
    const std::uint64_t budget = most / 4 + draw(most / 2);
    CAPTURE(round, budget);
    const std::uint64_t expected = least_loss_by_table(parts, budget);
    REQUIRE(sum_of(parts, least_loss_split(parts, budget)).loss == expected);
    better_than_hull += sum_of(parts, hull_split(parts, budget)).loss > expected ? 1 : 0;
  }
  CHECK(better_than_hull > 250);
}

TEST_CASE("stairs of equal slope, where every split is near the bound", "[allocate]") {
  // Steps of different widths that all gain the same for their cost: the hull says nothing about which to take.
  Parts parts;
  for (std::uint64_t width = 5; width < 13; ++width) {
    auto& choices = parts.emplace_back();
    for (std::uint64_t cost = 0; cost < 100; ++cost) {
      choices.push_back({.cost = cost, .loss = 10'000 - 10 * width * (cost / width)});
    }
  }
  for (std::uint64_t budget = 0; budget < 40; ++budget) {
    CAPTURE(budget);
    CHECK(sum_of(parts, least_loss_split(parts, budget)).loss == least_loss_by_table(parts, budget));
  }
}

TEST_CASE("three parts by hand", "[allocate]") {
  // Two convex parts, and one that gains nothing until it has four: 40 for 4 is 10 a unit.
  const Parts parts = {{{0, 30}, {1, 18}, {2, 9}, {3, 6}}, {{0, 20}, {1, 12}, {2, 9}}, {{0, 40}, {3, 40}, {4, 0}}};
  CHECK(hull_split(parts, 1) == Split{1, 0, 0});  // gains 12; the cliff's 10 a unit does not fit
  CHECK(hull_split(parts, 4) == Split{3, 1, 0});  // 12, then 9, 8 and 3: the cliff no longer fits
  CHECK(least_loss_split(parts, 4) == Split{0, 0, 2});
  CHECK(sum_of(parts, least_loss_split(parts, 4)).loss == 50);
  CHECK(least_loss_split(parts, 5) == Split{1, 0, 2});
  CHECK(hull_split(parts, 5) == Split{1, 0, 2});
  // With more than all need, each takes its last useful choice, and the rest is left over.
  CHECK(least_loss_split(parts, 1000) == Split{3, 2, 2});
  CHECK(least_loss_split(Parts{{{7, 3}, {8, 3}, {9, 4}}}, 9) == Split{0});
}
