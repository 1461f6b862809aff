// What is measured and kept of where selections are.

#include "generate/surroundings.hpp"
#include "catch.hpp"
#include "generate/balance.hpp"
#include "generate/level.hpp"

#include <set>

using namespace dsasim;
using namespace dsasim::synthesis;

TEST_CASE("Places: the first positions, then two to each doubling of the distance", "[generate]") {
  CHECK(place_of(0, 900) == 0);
  CHECK(place_of(1, 5) == 1);
  CHECK(place_of(2, 5) == place_of(3, 7));
  CHECK(place_of(15, 1) == first_places - 1);
  CHECK(place_of(16, 1) == first_places);
  std::size_t before = place_of(100000, 1);
  std::set<std::uint64_t> starts;
  for (std::uint64_t distance = 2; distance <= 64; ++distance) {
    const std::size_t place = place_of(100000, distance);
    CHECK(place >= before);
    if (place != before) {
      starts.insert(distance);
    }
    before = place;
  }
  CHECK(starts == std::set<std::uint64_t>{2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49});
}

TEST_CASE("Crowds: 0, 1, 2, 3-4, 5-8, more", "[generate]") {
  const std::vector<std::size_t> wanted = {0, 1, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5};
  for (std::uint32_t others = 0; others < wanted.size(); ++others) {
    CHECK(crowd_of(others) == wanted[others]);
  }
}

TEST_CASE("Factors that act together are told apart", "[generate]") {
  // Peers are frequent near the query, where more happens anyway.
  const auto peer_factor = [](std::size_t peer) { return peer == 1 ? 3.0 : 0.5; };
  const auto place_factor = [](std::size_t place) { return place == 20 ? 2.0 : 0.25; };
  const auto crowd_factor = [](std::size_t crowd) { return crowd == 0 ? 0.8 : 1.6; };
  SurroundingsTally tally;
  for (const std::size_t peer : {0UL, 1UL}) {
    for (const std::size_t place : {20UL, 40UL}) {
      for (const std::size_t crowd : {0UL, 4UL}) {
        const int entries = 4000 * ((peer == 1) == (place == 20) ? 3 : 1) * (crowd == 0 ? 2 : 1);
        const double happening = 0.1 * entries * peer_factor(peer) * place_factor(place) * crowd_factor(crowd);
        for (int entry = 0; entry < entries; ++entry) {
          tally.count({.activity = 6, .peer = peer, .place = place, .crowd = crowd}, 0.1, entry < happening);
        }
      }
    }
  }
  const Surroundings fitted = tally.fit();
  CHECK(fitted.peer[6][1] / fitted.peer[6][0] == Approx(6).epsilon(0.01));
  CHECK(fitted.place[6][20] / fitted.place[6][40] == Approx(8).epsilon(0.01));
  CHECK(fitted.crowd[4] / fitted.crowd[0] == Approx(2).epsilon(0.01));
  CHECK(fitted.place[6][30] == 1);
}

TEST_CASE("A steered factor comes to what gives what is wanted", "[generate]") {
  Steered factor;
  for (int step = 0; step < 2000; ++step) {
    factor.steer(12, 30 * factor.value());
  }
  CHECK(factor.value() == Approx(0.4).epsilon(0.001));
  CHECK(Steered::correction(5, 5) == 0);
  CHECK(Steered::correction(0.01, 1e6) == -0.5);
}

TEST_CASE("A level makes the mean weight 1, of the latest entries", "[generate]") {
  Level level;
  CHECK(level.value() == 1);
  level.add(10, 30);
  CHECK(level.value() == Approx(1.0 / 3));
  for (int step = 0; step < 20; ++step) {
    level.add(1000, 500);
  }
  CHECK(level.value() == Approx(2));
  level.add(0, 0);
  CHECK(level.value() == Approx(2));
}

TEST_CASE("A balance wants what there is too little of", "[generate]") {
  SelectionShares target;
  target.place[10] = 0.5;
  target.place[20] = 0.5;
  target.with_peer = 0.4;
  target.pages = 0.5;
  target.exchanged = 0.2;
  Balance balance(target);
  Balance::Seen seen;
  seen.place[10] = 80;
  seen.place[20] = 20;
  seen.with_peer = 10;
  seen.pages = 70;
  seen.exchanged = 30;
  balance.adjust(seen, 100, 1);
  CHECK(balance.place(20) > 1);
  CHECK(balance.place(10) < 1);
  CHECK(balance.peer() > 1);
  CHECK(balance.crowd(3) > balance.crowd(1));
  CHECK(balance.crowd(1) > balance.crowd(0));
  CHECK(balance.exchange() < 1);
}
