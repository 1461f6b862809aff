#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/xoshiro.hpp"
#include "memory/dram_fixture.hpp"
#include "memory/hbm/hbm_memory.hpp"
#include "memory/reference_dram.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace dsasim::test {
namespace {

std::vector<std::uint64_t> sequence(std::uint64_t lines, std::uint64_t first = 0) {
  std::vector<std::uint64_t> addresses(lines);
  for (std::uint64_t i = 0; i < lines; ++i) {
    addresses[i] = first + i * dram_line_bytes;
  }
  return addresses;
}

/// Mixes runs, repeats and jumps, so that rows hit, conflict and wait.
std::vector<std::uint64_t> random_lines(std::uint64_t seed, std::size_t count, std::uint32_t span_lines) {
  Xoshiro256 draws = Xoshiro256::numbered(seed, 0);
  std::vector<std::uint64_t> addresses;
  std::uint64_t line = 0;
  while (addresses.size() < count) {
    const std::uint32_t what = draws.below(4);
    line = what == 0 ? draws.below(span_lines) : what == 1 ? line : line + 1;
    addresses.push_back(line * dram_line_bytes);
  }
  return addresses;
}

bool same(const DramCounts& a, const DramCounts& b) {
  return a.lines == b.lines && a.latency_clocks == b.latency_clocks && a.last_return == b.last_return &&
         a.read_commands == b.read_commands && a.row_hits == b.row_hits && a.activates == b.activates &&
         a.precharges == b.precharges;
}

std::string text_of(const DramCounts& counts) {
  return fmt::format("lines {} latency {} last {} reads {} hits {} activates {} precharges {}", counts.lines,
                     counts.latency_clocks, counts.last_return, counts.read_commands, counts.row_hits, counts.activates,
                     counts.precharges);
}

template <class... Values>
std::string one_of(Xoshiro256& draws, Values... values) {
  const std::vector<std::string> all = {values...};
  return all[draws.below(static_cast<std::uint32_t>(all.size()))];
}

Settings random_settings(Xoshiro256& draws) {
  return {{"channels", one_of(draws, "1", "2")},
          {"mapping", one_of(draws, "row pseudo_channel rank bank_group bank channel column",
                             "row bank bank_group rank pseudo_channel column channel",
                             "bank row bank_group column:1 channel rank pseudo_channel column")},
          {"burst_bytes", one_of(draws, "16", "32", "64")},
          {"queue", one_of(draws, "channel", "bank")},
          {"queue_depth", one_of(draws, "4", "8", "24")},
          {"transaction_depth", one_of(draws, "0", "1", "6")},
          {"scheduling", one_of(draws, "fr_fcfs", "fr_fcfs", "fr_fcfs", "fcfs")},
          {"arbitration", one_of(draws, "oldest", "round_robin")},
          {"close_row", one_of(draws, "wanted", "oldest")},
          {"row_hit_limit", one_of(draws, "0", "2")},
          {"entry_until", one_of(draws, "read", "activate")},
          {"merge_reads", one_of(draws, "true", "false")},
          {"page_policy", one_of(draws, "open", "closed")},
          {"refresh", one_of(draws, "none", "all_bank", "per_bank")},
          {"refresh_phase", one_of(draws, "together", "staggered")},
          {"activate_command_ns", one_of(draws, "1", "2")},
          {"injection", one_of(draws, "in_order", "free", "serial")},
          {"injection_per_clock", one_of(draws, "1", "3")}};
}

TEST_CASE("events give what a walk over all clocks gives", "[hbm]") {
  Xoshiro256 draws = Xoshiro256::numbered(7, 7);
  for (int i = 0; i < 600; ++i) {
    const Settings settings = random_settings(draws);
    const DramConfig config = small_config(settings);
    const auto addresses = random_lines(draws.next(), 60, 1U << (3 + draws.below(8)));
    const DramCounts fast = run(config, addresses);
    DramCounts slow = reference_run(config, addresses);
    if (config.refresh != Refresh::none) {
      // A refresh that is under way at the end has been counted when it was due, or has not.
      slow.precharges = fast.precharges;
    }
    std::string configuration;
    for (const auto& [key, value] : settings) {
      configuration += key + "=" + value + ",";
    }
    INFO("case " << i << ": " << configuration << "\nevents " << text_of(fast) << "\nclocks " << text_of(slow));
    REQUIRE(same(fast, slow));
  }
}

// ---- Closed forms ----

/// One channel, one pseudo-channel, one rank; a row longer than any stream here.
Settings one_bus() {
  return {{"pseudo_channels", "1"}, {"ranks", "1"}, {"row_bytes", "65536"}, {"injection", "in_order"}};
}

Settings with(Settings settings, const Settings& more) {
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

TEST_CASE("an open row delivers what the data bus does", "[hbm]") {
  const DramConfig config = small_config(with(one_bus(), {{"tCCD_L_ns", "2"}}));
  const DramCounts counts = run(config, sequence(1000));
  CHECK(counts.activates == 1);
  CHECK(counts.row_hits == 999);
  CHECK(counts.last_return == 1 + 17 + 999 * 2 + 15 + 2);
}

TEST_CASE("bank groups in turn hide tCCD_L", "[hbm]") {
  const DramConfig config = small_config(
      with(one_bus(), {{"bank_groups", "4"}, {"mapping", "row rank bank column bank_group pseudo_channel channel"}}));
  // The second row opens tRRD_S after the first: 2 clocks later than its turn.
  CHECK(run(config, sequence(1000)).last_return <= 1 + 17 + 999 * 2 + 3 * 15 + 2);
}

TEST_CASE("random rows of one bank take tRC each", "[hbm]") {
  const DramConfig config = small_config(with(
      one_bus(),
      {{"row_bytes", "64"}, {"bank_groups", "1"}, {"banks", "1"}, {"mapping", "row rank pseudo_channel channel"}}));
  CHECK(run(config, sequence(64)).last_return == 1 + 63 * 47 + 17 + 15 + 2);
}

TEST_CASE("rows of many banks take a quarter of tFAW each", "[hbm]") {
  const DramConfig config =
      small_config(with(one_bus(), {{"row_bytes", "64"},
                                    {"bank_groups", "4"},
                                    {"banks", "8"},
                                    {"mapping", "row rank pseudo_channel bank bank_group channel"}}));
  CHECK(run(config, sequence(401)).last_return == 1 + 100 * 27 + 17 + 15 + 2);
}

TEST_CASE("refresh takes its share", "[hbm]") {
  const Settings settings = with(one_bus(), {{"tCCD_L_ns", "2"}, {"refresh", "all_bank"}, {"tREFI_ns", "4000"}});
  const DramConfig config = small_config(with(settings, {{"row_bytes", "65536"}}));
  constexpr std::uint64_t lines = 100000;
  const DramCounts counts = run(config, sequence(lines));
  // A refresh costs tRFC, tRP before it and tRCD after it, and what the last read keeps the row open (tRTP).
  const double cost = 90 + 13 + 17 + 7;
  const double expected = 2.0 * lines / (1 - cost / 4000);
  CHECK(static_cast<double>(counts.last_return) == Approx(expected).epsilon(0.005));
}

// ---- Properties ----

TEST_CASE("every line returns once, whatever the configuration", "[hbm]") {
  Xoshiro256 draws = Xoshiro256::numbered(3, 1);
  for (int i = 0; i < 50; ++i) {
    const DramConfig config = small_config(random_settings(draws));
    const auto addresses = random_lines(draws.next(), 2000, 4096);
    const DramCounts counts = run(config, addresses);
    CHECK(counts.lines == addresses.size());
    const std::uint64_t commands = addresses.size() * config.shape.bursts_of_line();
    CHECK(counts.read_commands <= commands);
    CHECK((config.merge_reads || counts.read_commands == commands));
    CHECK(counts.row_hits + counts.activates >= counts.lines);
    CHECK(counts.precharges <= counts.activates);
    CHECK(counts.activates <= counts.precharges + config.shape.all_channels() * config.shape.banks_of_channel());
  }
}

TEST_CASE("a run does not depend on those before it", "[hbm]") {
  DramSystem memory(dram_config("hbm3-ramulator"));
  const auto first = random_lines(1, 3000, 1U << 20U);
  const auto second = random_lines(2, 500, 1U << 20U);
  const DramCounts alone = memory.run(first);
  memory.run(second);
  CHECK(same(memory.run(first), alone));
  CHECK(same(DramSystem(dram_config("hbm3-ramulator")).run(first), alone));
}

TEST_CASE("more banks, more channels and deeper queues are not slower", "[hbm]") {
  const auto addresses = random_lines(9, 20000, 1U << 24U);
  const auto clocks = [&](const Settings& settings) {
    return static_cast<double>(run(dram_config("hbm3-ramulator", settings), addresses).last_return);
  };
  const auto falls = [&](const std::string& key, const std::vector<std::string>& values) {
    double before = 1e18;
    for (const std::string& value : values) {
      const double now = clocks({{key, value}});
      INFO(key << " = " << value << ": " << now << " after " << before);
      CHECK(now <= before * 1.01);
      before = now;
    }
  };
  falls("channels", {"1", "2", "4", "8", "16", "32"});
  falls("bank_groups", {"1", "2", "4"});
  falls("banks", {"1", "2", "4"});
  falls("queue_depth", {"2", "8", "32", "128", "512"});
  falls("injection_per_clock", {"1", "4", "16"});
  CHECK(clocks({{"injection", "free"}}) <= clocks({}));
  CHECK(clocks({{"refresh", "none"}}) < clocks({}));
}

TEST_CASE("fr_fcfs is not slower than fcfs", "[hbm]") {
  const auto addresses = random_lines(4, 5000, 1U << 20U);
  CHECK(run(dram_config("hbm2-dramsim3"), addresses).last_return <
        run(dram_config("hbm2-dramsim3", {{"scheduling", "fcfs"}}), addresses).last_return);
}

TEST_CASE("a sorted batch reads the same lines, each row once", "[hbm]") {
  auto addresses = random_lines(5, 4000, 1U << 14U);
  Settings sorted = {{"batch_sort", "bank"}, {"refresh", "none"}};
  const DramConfig config = dram_config("hbm3-ramulator", sorted);
  const DramCounts counts = run(config, addresses);
  CHECK(counts.lines == addresses.size());
  const AddressMap map("mapping", config.mapping, config.shape);
  std::vector<std::uint64_t> rows;
  for (const std::uint64_t address : addresses) {
    const DramAddress place = map(address);
    rows.push_back((std::uint64_t{place.row} << 32U) + place.channel * 64 + place.bank);
  }
  std::sort(rows.begin(), rows.end());
  const auto distinct = std::unique(rows.begin(), rows.end()) - rows.begin();
  CHECK(counts.activates == static_cast<std::uint64_t>(distinct));
  std::reverse(addresses.begin(), addresses.end());
  CHECK(same(run(config, addresses), counts));
}

// ---- Addresses ----

TEST_CASE("a mapping takes an address apart from the top bit", "[hbm]") {
  DramShape shape;
  shape.channels = 4;
  shape.pseudo_channels = 2;
  shape.ranks = 1;
  shape.bank_groups = 2;
  shape.banks = 4;
  shape.rows = 16;
  shape.row_bytes = 512;
  const AddressMap map("mapping", "row bank_group bank column:1 channel pseudo_channel column", shape);
  // row 1011, group 1, bank 10, column 1.., channel 01, pseudo-channel 1, column ..00
  const DramAddress place = map(0b1011'1'10'1'01'1'00ULL * 64 + 63);
  CHECK(place.row == 0b1011);
  CHECK(place.channel == 1);
  CHECK(place.bank == 0b1110);
  // Above the size: as if it were not there.
  CHECK(map((std::uint64_t{1} << 40U) + 64).row == map(64).row);
}

TEST_CASE("stacks take turns", "[hbm]") {
  DramShape shape;
  shape.stacks = 3;
  shape.stack_bytes = 256;
  shape.channels = 2;
  shape.rows = 1024;
  shape.row_bytes = 64;
  const AddressMap map("mapping", "row channel", shape);
  for (std::uint64_t line = 0; line < 96; ++line) {
    const DramAddress place = map(line * 64);
    CHECK(place.channel / 2 == line / 4 % 3);
    const std::uint64_t inside = line / 12 * 4 + line % 4;
    CHECK(place.channel % 2 == inside % 2);
    CHECK(place.row == inside / 2);
  }
}

TEST_CASE("no two lines are at one place", "[hbm]") {
  for (const std::string_view name : config_names("memory")) {
    ConfigObject object = named_config("test", "memory", std::string(name));
    if (object.text("model") != "hbm") {
      continue;
    }
    const DramConfig config = dram_config(std::string(name), {{"rows", "2"}, {"stacks", "3"}});
    const AddressMap map("mapping", config.mapping, config.shape);
    const std::uint64_t lines =
        std::uint64_t{2} * config.shape.all_channels() * config.shape.banks_of_channel() * config.shape.lines_of_row();
    std::vector<std::uint32_t> found(lines / config.shape.lines_of_row());
    for (std::uint64_t line = 0; line < lines; ++line) {
      const DramAddress place = map(line * 64);
      const std::uint64_t bank = std::uint64_t{place.channel} * config.shape.banks_of_channel() + place.bank;
      ++found.at(bank * 2 + place.row);
    }
    CHECK(std::all_of(found.begin(), found.end(),
                      [&](std::uint32_t count) { return count == config.shape.lines_of_row(); }));
  }
}

// ---- Configurations that are refused ----

std::string error_of(const Settings& settings) {
  try {
    dram_config("hbm3-ramulator", settings);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("bad configurations are refused", "[hbm]") {
  const std::string file = "hbm3-ramulator.json: ";
  CHECK(error_of({{"banks", "0"}}) == file + "/banks: expected an integer from 1 to 16, found 0");
  CHECK(error_of({{"banks", "3"}}) == file + "/banks: expected a power of two, found 3");
  CHECK(error_of({{"ranks", "8"}}) ==
        file +
            "expected at most 64 banks a channel, found pseudo_channels 2 x ranks 8 x bank_groups 4 x banks 4 = 256; "
            "pseudo-channels may be given as channels");
  CHECK(error_of({{"mapping", "row bank bank_group rank column channel"}}) ==
        file + "/mapping: expected the field \"pseudo_channel\", of 1 bits");
  CHECK(error_of({{"mapping", "row bank bank_group rank pseudo_channel column channel die"}}) ==
        file + "/mapping: unknown field \"die\"; known: row, rank, bank_group, bank, pseudo_channel, channel, column");
  CHECK(error_of({{"mapping", "row bank bank_group rank pseudo_channel column:9 channel"}}) ==
        file + "/mapping: expected 4 bits of \"column\", found 9");
  CHECK(error_of({{"mapping", "row bank bank_group rank pseudo_channel column channel column"}}) ==
        file + "/mapping: expected a number of bits with all parts of \"column\" but one");
  CHECK(error_of({{"mapping", "row bank bank_group rank pseudo_channel column:x channel"}}) ==
        file + "/mapping: expected 1 to 32 bits in \"column:x\"");
  CHECK(error_of({{"tRC_ns", "40"}}) == file + "/tRC_ns: expected at least tRAS + tRP (44304 ps), found 40000 ps");
  CHECK(error_of({{"tRAS_ns", "1"}}) == file + "/tRAS_ns: expected at least tRCD (19968 ps), found 1000 ps");
  CHECK(error_of({{"tCCD_L_ns", "0.6"}}) == file + "/tCCD_L_ns: expected at least tCCD_S (1248 ps), found 600 ps");
  CHECK(error_of({{"tRRD_L_ns", "0.6"}}) == file + "/tRRD_L_ns: expected at least tRRD_S (2496 ps), found 600 ps");
  CHECK(error_of({{"tREFI_ns", "300"}}) ==
        file + "/tREFI_ns: expected at least tRFC + tRC + tRCD (664 clocks), found 481 clocks");
  CHECK(error_of({{"queue_depth", "1"}}) == file + "/queue_depth: expected at least the 2 bursts of a line, found 1");
  CHECK(error_of({{"queue", "rank"}}) == file + "/queue: expected channel or bank, found \"rank\"");
  CHECK(error_of({{"page_policy", "ajar"}}) == file + "/page_policy: expected open or closed, found \"ajar\"");
  CHECK(error_of({{"tRCD_ns", "-1"}}).starts_with(file + "/tRCD_ns: expected"));
  CHECK(error_of({{"tCK_ns", "0"}}).starts_with(file + "/tCK_ns: expected"));
  CHECK(error_of({{"tRCD_ns", "1e300"}}).starts_with(file + "/tRCD_ns: expected"));
}

TEST_CASE("the model is made by name and prices lines", "[hbm]") {
  Memory memory = make_memory(parse_memory("hbm2-dramsim3,overhead_ns=300"));
  CHECK(memory.model_name == "hbm");
  CHECK(memory.model->needs().lines);
  CHECK(memory.model->needs().row_bytes);
  const std::vector<std::uint64_t> lines = {0};
  // Activate at clock 1, read 14 later, data 14 later for 2.
  CHECK(memory.model->gather_ns({.row_bytes = 64, .missed_rows = 1, .lines = lines}) == 300 + 1 + 14 + 14 + 2);
  CHECK(memory.model->gather_ns({.row_bytes = 64, .hit_rows = 1}) == 0);
  CHECK_THROWS_AS(memory.model->gather_ns({.row_bytes = 64, .missed_rows = 1}), ConfigError);
}

}  // namespace
}  // namespace dsasim::test
