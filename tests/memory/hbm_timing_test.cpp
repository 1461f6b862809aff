// Each timing parameter from both sides: the clock at which the last line returns is worked out by hand from the
// parameters, and is one later when the one that binds is one longer. A command given one clock too early, or one too
// late, fails. A line injected at clock 0 has its first command at clock 1.

#include "catch.hpp"
#include "memory/dram_fixture.hpp"

#include <string>
#include <vector>

namespace dsasim::test {
namespace {

// Those of small_memory().
constexpr Clock rcd = 17, rp = 13, ras = 31, rc = 47, rrd_s = 4, rrd_l = 6, faw = 27, ccd_l = 5, cl = 15, burst = 2,
                refi = 400, rfc = 90, rfc_bank = 60;
constexpr Clock first = 1;

struct Case {
  std::string parameter;
  Clock value = 0;
  Settings settings;
  std::vector<Place> lines;
  Clock expected = 0;
};

Clock last_return(const Case& example, Clock longer) {
  Settings settings = example.settings;
  settings.emplace_back(example.parameter, std::to_string(example.value + longer));
  return run(small_config(settings), addresses_of(example.lines)).last_return;
}

const std::vector<Case>& cases() {
  static const std::vector<Place> one_bank = {{.row = 1}, {.row = 2}};
  static const std::vector<Case> all = {
      {"CL_ns", cl, {}, {{}}, first + rcd + cl + burst},
      {"burst_ns", burst, {}, {{}}, first + rcd + cl + burst},
      {"tRCD_ns", rcd, {}, {{}}, first + rcd + cl + burst},
      {"tRRD_S_ns", rrd_s, {}, {{}, {.bank_group = 1}}, first + rrd_s + rcd + cl + burst},
      {"tRRD_L_ns", rrd_l, {}, {{}, {.bank = 1}}, first + rrd_l + rcd + cl + burst},
      // Four activates in four bank groups of two ranks, then a fifth.
      {"tFAW_ns",
       faw,
       {},
       {{}, {.bank_group = 1}, {.rank = 1}, {.rank = 1, .bank_group = 1}, {.bank = 1}},
       first + faw + rcd + cl + burst},
      {"tCCD_L_ns", ccd_l, {}, {{.column = 0}, {.column = 1}}, first + rcd + ccd_l + cl + burst},
      {"tCCD_L_ns", ccd_l + 3, {}, {{}, {.bank = 1}}, first + rcd + ccd_l + 3 + cl + burst},
      // Longer than tRRD_S, which otherwise keeps the second row closed for longer.
      {"tCCD_S_ns", rrd_s, {}, {{}, {.bank_group = 1}}, first + rcd + rrd_s + cl + burst},
      {"tCCD_R_ns", rrd_s, {}, {{}, {.rank = 1}}, first + rcd + rrd_s + cl + burst},
      // The second row of a bank: tRAS and tRP bind once tRC is their sum.
      {"tRC_ns", rc, {}, one_bank, first + rc + rcd + cl + burst},
      {"tRAS_ns", rc - rp, {{"tRC_ns", "48"}, {"tRP_ns", "13"}}, one_bank, first + rc + 1 + rcd + cl + burst},
      {"tRTP_ns", ras, {}, one_bank, first + rcd + ras + rp + rcd + cl + burst},
      {"tRP_ns", rc - ras + 5, {{"tRC_ns", "60"}, {"tRAS_ns", "38"}}, one_bank, first + 60 + rcd + cl + burst},
      // Activates of two pseudo-channels share the row command bus.
      {"activate_command_ns", 3, {}, {{}, {.pseudo_channel = 1}}, first + 3 + rcd + cl + burst},
  };
  return all;
}

TEST_CASE("each timing parameter binds to the clock", "[hbm]") {
  for (const Case& example : cases()) {
    INFO(example.parameter << " = " << example.value);
    CHECK(last_return(example, 0) == example.expected);
    const bool hidden = example.parameter == "tRAS_ns" || example.parameter == "tRP_ns";
    CHECK(last_return(example, 0) + (hidden ? 0 : 1) == last_return(example, 1 - (hidden ? 1 : 0)));
  }
}

TEST_CASE("a row of a bank stays open for tRAS and closed for tRP", "[hbm]") {
  const auto last = [](Clock ras_now, Clock rp_now) {
    const Settings settings = {{"tRAS_ns", std::to_string(ras_now)},
                               {"tRP_ns", std::to_string(rp_now)},
                               {"tRC_ns", std::to_string(ras_now + rp_now)}};
    return run(small_config(settings), addresses_of({{.row = 1}, {.row = 2}})).last_return;
  };
  CHECK(last(ras, rp) == first + ras + rp + rcd + cl + burst);
  CHECK(last(ras + 1, rp) == first + ras + 1 + rp + rcd + cl + burst);
  CHECK(last(ras, rp + 1) == first + ras + rp + 1 + rcd + cl + burst);
}

TEST_CASE("pseudo-channels have data buses of their own, and one command bus", "[hbm]") {
  // Rows of both are open at the end of tRCD; one read a clock.
  const auto both = addresses_of({{}, {.pseudo_channel = 1}});
  CHECK(run(small_config(), both).last_return == first + 1 + rcd + cl + burst);
  const auto hits = addresses_of(
      {{.column = 0}, {.pseudo_channel = 1, .column = 0}, {.column = 1}, {.pseudo_channel = 1, .column = 1}});
  CHECK(run(small_config(), hits).last_return == first + 1 + rcd + ccd_l + cl + burst);
}

/// A line that arrives at `now` in a channel that has been idle.
Clock return_of_late_line(const DramConfig& config, Clock now, const Place& place) {
  const AddressMap map("mapping", config.mapping, config.shape);
  DramChannel channel(config, 0);
  channel.advance(now);
  channel.arrive(now, map(address_of(place)), 0);
  channel.finish();
  return channel.counts().last_return;
}

TEST_CASE("a refresh of all banks begins at tREFI and keeps them closed for tRFC", "[hbm]") {
  const DramConfig config = small_config({{"refresh", "all_bank"}});
  // Activated one clock before the refresh is due: it closes after tRAS, and the row must be opened again.
  CHECK(return_of_late_line(config, refi - 2, {}) == refi - 1 + rc + rfc + rcd + cl + burst);
  CHECK(return_of_late_line(config, refi - 1, {}) == refi + rfc + rcd + cl + burst);
  CHECK(return_of_late_line(config, refi + 50, {}) == refi + rfc + rcd + cl + burst);
  CHECK(return_of_late_line(config, refi + rfc - 1, {}) == refi + rfc + rcd + cl + burst);
  CHECK(return_of_late_line(config, refi + rfc, {}) == refi + rfc + 1 + rcd + cl + burst);
  CHECK(return_of_late_line(config, 2 * refi - 1, {}) == 2 * refi + rfc + rcd + cl + burst);
  CHECK(return_of_late_line(config, 3 * refi + rfc, {}) == 3 * refi + rfc + 1 + rcd + cl + burst);
}

TEST_CASE("a row opened for a request that has left the queue is read before a refresh", "[hbm]") {
  const DramConfig config = small_config({{"refresh", "all_bank"}, {"entry_until", "activate"}});
  CHECK(return_of_late_line(config, refi - 2, {}) == refi - 1 + rcd + cl + burst);
}

TEST_CASE("a refresh of one bank leaves the others alone", "[hbm]") {
  // 8 banks of a pseudo-channel: one every 50 clocks, bank 0 first.
  const DramConfig config = small_config({{"refresh", "per_bank"}});
  CHECK(return_of_late_line(config, 50, {}) == 50 + rfc_bank + rcd + cl + burst);
  CHECK(return_of_late_line(config, 50, {.pseudo_channel = 1}) == 50 + rfc_bank + rcd + cl + burst);
  CHECK(return_of_late_line(config, 50, {.bank = 1}) == 51 + rcd + cl + burst);
  CHECK(return_of_late_line(config, 100, {.bank = 1}) == 100 + rfc_bank + rcd + cl + burst);
  CHECK(return_of_late_line(config, 400 + 50, {}) == 450 + rfc_bank + rcd + cl + burst);
}

TEST_CASE("refreshes of channels are together or staggered", "[hbm]") {
  const Settings two = {{"channels", "4"}, {"refresh", "all_bank"}};
  Settings staggered = two;
  staggered.emplace_back("refresh_phase", "staggered");
  const DramConfig config = small_config(staggered);
  for (std::uint32_t number = 0; number < 4; ++number) {
    DramChannel channel(config, number);
    channel.advance(refi * (number + 1) / 4);
    CHECK(channel.counts().refreshes == 0);
    channel.advance(refi * (number + 1) / 4 + 1);
    CHECK(channel.counts().refreshes == 1);
  }
  DramChannel together(small_config(two), 0);
}

TEST_CASE("a closed page costs an activation a row and no precharge command", "[hbm]") {
  const DramConfig config = small_config({{"page_policy", "closed"}});
  const DramCounts counts = run(config, addresses_of({{.row = 1}, {.row = 1, .column = 1}, {.row = 2}}));
  CHECK(counts.activates == 2);
  CHECK(counts.precharges == 2);
  CHECK(counts.row_hits == 1);
  CHECK(counts.last_return == first + rc + rcd + cl + burst);
}

TEST_CASE("times are rounded up to clocks", "[hbm]") {
  const auto clocks_of = [](const std::string& ns) { return small_config({{"tRCD_ns", ns}}).timing.rcd; };
  CHECK(clocks_of("17") == 17);
  CHECK(clocks_of("17.001") == 18);
  CHECK(clocks_of("16.999") == 17);
  CHECK(clocks_of("0.5") == 1);
  // 31 clocks of 0.624 ns, in binary not a whole number.
  CHECK(small_config({{"tCK_ns", "0.624"}, {"tRCD_ns", "19.344"}}).timing.rcd == 31);
}

}  // namespace
}  // namespace dsasim::test
