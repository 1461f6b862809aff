// Gathers of random rows, as `gather` prices them, and the model of host memory.

#include "catch.hpp"
#include "dsasim/error.hpp"
#include "dsasim/memory/random_gather.hpp"
#include "dsasim/report/gather_report.hpp"
#include "import/captures.hpp"
#include "memory/csv_file.hpp"

#include <fmt/core.h>

#include <cmath>
#include <fstream>
#include <set>

using namespace dsasim;
using namespace dsasim::test;

namespace {

/// Keeps what it was given; a tenth of hot rows stays.
class Recorder final : public MemoryModel {
 public:
  MemoryNeeds needs() const noexcept override { return {.row_bytes = true, .lines = true}; }
  double gather_ns(const Gather& gather) override {
    lines.assign(gather.lines.begin(), gather.lines.end());
    return 7;
  }
  double launch_ns(const Gather& gather) override { return 2000 + static_cast<double>(gather.llc_rows); }
  double kept_share(double hot_bytes, double cold_bytes) const override {
    hot = hot_bytes;
    cold = cold_bytes;
    return 0.1;
  }

  std::vector<std::uint64_t> lines;
  mutable double hot = 0;
  mutable double cold = 0;
};

std::string error_of(const RandomGather& random) {
  Recorder recorder;
  try {
    price(random, recorder);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string csv_error(const captures::TempDir& folder, const std::string& text) {
  std::ofstream(folder / "in.csv") << text;
  Recorder recorder;
  try {
    priced_csv((folder / "in.csv").string(), {}, recorder);
  } catch (const ConfigError& error) {
    return std::string(error.what()).substr((folder / "in.csv").string().size());
  }
  return "no error";
}

}  // namespace

TEST_CASE("a gather's rows are reserved, hot or cold; the memory says how many of the hot ones it kept", "[memory]") {
  Recorder recorder;
  const RandomGather random{.rows = 99, .row_bytes = 100, .hot_fraction = 0.3, .reserved_fraction = 0.5};
  const RandomGatherTime time = price(random, recorder);
  CHECK(recorder.hot == 3000);  // 29.7 and 49.5 rows round to 30 and 50
  CHECK(recorder.cold == 1900);
  CHECK(time.gather.hit_rows == 50);
  CHECK(time.gather.missed_rows == 49);
  CHECK(time.gather.llc_rows == 3);
  CHECK(time.gather.missed_pages == 46);
  CHECK(time.gather.lines.empty());
  CHECK(time.launch_ns == 2003);
  CHECK(time.gather_ns == 7);
}

TEST_CASE("a gather's lines are those of rows at random places of the pool, the same for a seed", "[memory]") {
  Recorder recorder;
  RandomGather random{.rows = 500, .row_bytes = 656, .pool_bytes = 656 * 10000};
  price(random, recorder);
  const std::vector<std::uint64_t> first = recorder.lines;
  // Each row is a multiple of 656 somewhere in the pool; it touches 11 lines, or 12 where it begins within the last 48
  // bytes of one: 656 = 10 * 64 + 16.
  std::size_t at = 0;
  std::set<std::uint64_t> rows;
  while (at < first.size()) {
    REQUIRE(first[at] % 64 == 0);
    const std::uint64_t row = (first[at] + 63) / 656 * 656;  // the first multiple of 656 in or after the line
    REQUIRE(row / 64 * 64 == first[at]);
    REQUIRE(row < random.pool_bytes);
    rows.insert(row);
    for (std::uint64_t line = row / 64; line <= (row + 655) / 64; ++line) {
      REQUIRE(first.at(at++) == line * 64);
    }
  }
  CHECK(rows.size() > 450);  // of 10,000: few are drawn twice
  price(random, recorder);
  CHECK(recorder.lines == first);
  random.seed = 2;
  price(random, recorder);
  CHECK(recorder.lines != first);
}

TEST_CASE("gathers that cannot be are refused", "[memory]") {
  CHECK(error_of({.rows = 10, .row_bytes = 100, .hot_fraction = 0.6, .reserved_fraction = 0.5}) ==
        "`hot`: 6 hot and 5 reserved rows are more than the 10 of the gather");
  CHECK(error_of({.rows = 10, .row_bytes = 100, .pool_bytes = 99}) ==
        "`pool_bytes`: expected room for 1 to 4294967295 rows of 100 bytes, found 99 bytes");
  CHECK(error_of({.rows = std::uint64_t{1} << 30U, .row_bytes = 656}) ==
        "`rows`: 1073741824 rows of 656 bytes from memory are more than 67108864 lines");
  CHECK(error_of({.rows = 10, .row_bytes = 0}) == "no error");
}

TEST_CASE("a CSV comes back with two columns more, each line priced by itself", "[memory]") {
  const captures::TempDir folder;
  std::ofstream(folder / "in.csv") << "note,rows,row_bytes,hot_fraction\r\nfirst,64,128,1\r\nsecond,10,100,0\n";
  Recorder recorder;
  CHECK(priced_csv((folder / "in.csv").string(), {}, recorder) ==
        "note,rows,row_bytes,hot_fraction,predicted_us,gather_ns\n"
        "first,64,128,1,2.006000,7.000\nsecond,10,100,0,2.000000,7.000\n");
}

TEST_CASE("a CSV that is wrong is refused with its line", "[memory]") {
  const captures::TempDir folder;
  CHECK(csv_error(folder, "") == ":1: expected a header with the columns row_bytes and rows, found no rows");
  CHECK(csv_error(folder, "rows,bytes\n1,2\n") ==
        ":1: expected a header with the columns row_bytes and rows, found no row_bytes");
  CHECK(csv_error(folder, "rows,row_bytes\n1,100\n1\n") == ":3: expected 2 fields as in the header, found 1");
  CHECK(csv_error(folder, "rows,row_bytes\n0,2\n") == ":2: rows: expected a number from 1 to 1073741824, found \"0\"");
  CHECK(csv_error(folder, "rows,row_bytes,hot_fraction\n1,2,nan\n") ==
        ":2: hot_fraction: expected a number from 0 to 1, found \"nan\"");
  CHECK(csv_error(folder, "rows,row_bytes,reserved_fraction\n1,2,\n") ==
        ":2: reserved_fraction: expected a number from 0 to 1, found \"\"");
}

TEST_CASE("host: the published swap-in of 16 requests, 274 rows of 1,152 bytes each", "[memory]") {
  // arXiv 2608.07009: 112 us a call over PCIe 5 and 29 us over NVLink-C2C, effectively about 45 and 174 GB/s.
  const Gather swap_in{.row_bytes = 1152, .hit_rows = 16 * (2048 - 274), .missed_rows = 16 * 274};
  const double bytes = 16.0 * 274 * 1152;
  const double pcie_ns = make_memory(parse_memory("pcie5")).model->launch_ns(swap_in);
  const double c2c_ns = make_memory(parse_memory("nvlink-c2c")).model->launch_ns(swap_in);
  // Measured gathers alone: a swap-in also looks its rows up.
  CHECK(pcie_ns == Approx(112000).epsilon(0.08));
  CHECK(c2c_ns == Approx(29000).epsilon(0.001));
  CHECK(bytes / c2c_ns == Approx(174).epsilon(0.01));
}

// Microseconds of a kernel that gathers rows from pinned memory of an H200's host, a warp a row (data measured in CUDA
// graphs).
TEST_CASE("host: rows over PCIe 5 take what was measured", "[memory]") {
  struct Row {
    std::uint64_t rows;
    std::uint32_t row_bytes;
    double us;
  };
  for (const Row& row : {Row{10, 656, 2.62}, Row{200, 656, 5.49}, Row{700, 656, 12.2}, Row{3000, 656, 50.2},
                         Row{16384, 656, 347.6}, Row{700, 1152, 18.3}, Row{8192, 1152, 186.3}}) {
    const double ns =
        make_memory(parse_memory("pcie5")).model->launch_ns({.row_bytes = row.row_bytes, .missed_rows = row.rows});
    INFO(row.rows << " rows of " << row.row_bytes << " bytes: " << ns);
    CHECK(std::abs(ns / 1000 / row.us - 1) < 0.2);
  }
}

TEST_CASE("host: swap-ins to a hot buffer take what was measured", "[memory]") {
  // Microseconds of SGLang's kernel on an H200, beside data/hardware/h200_swap_in.csv: 16 requests that miss 274 rows
  // each, and one that misses 2,000 where the others miss 159.
  const Memory memory = make_memory(parse_memory("pcie5"));
  const auto ns = [&](std::uint64_t rows, SwapIn call, std::uint64_t row_bytes = 1152) {
    return memory.model->gather_ns({.row_bytes = row_bytes, .missed_rows = rows, .swap_in = call});
  };
  const SwapIn sixteen{.requests = 16, .most_missed_rows = 274, .selected_rows = 2048, .slots = 4096};
  CHECK(ns(16 * 274, sixteen) == Approx(120'000).epsilon(0.06));
  SwapIn uneven = sixteen;
  uneven.most_missed_rows = 2000;
  CHECK(ns(2000 + 15 * 159, uneven) == Approx(268'000).epsilon(0.15));
  // Without a miss only the lookup; where the context fits, not even that.
  CHECK(ns(0, {.requests = 1, .selected_rows = 2048, .slots = 4096}) == Approx(14'500).epsilon(0.05));
  CHECK(ns(0, {.requests = 16, .selected_rows = 2048, .slots = 4096}) == Approx(19'500).epsilon(0.1));
  CHECK(ns(0, {.requests = 1}) < 3000);

  double sum = 0;
  const auto rows = read_csv("data/hardware/h200_swap_in.csv");
  for (const CsvRow& row : rows) {
    const double us = ns(row.integer("rows"),
                         {.requests = row.integer("requests"),
                          .most_missed_rows = row.integer("most_rows"),
                          .selected_rows = row.integer("selected"),
                          .slots = row.integer("slots")},
                         row.integer("row_bytes")) /
                      1000;
    const double error = std::abs(us / row.number("us_total") - 1);
    INFO(row.text("requests") << " requests, " << row.text("rows") << " rows: " << us << " for "
                              << row.text("us_total"));
    CHECK(error < 0.25);
    sum += error;
  }
  CHECK(sum / static_cast<double>(rows.size()) < 0.06);
}

// lookup 5 + 2 x 7 (70 slots: 3 times 32, 2 a turn) + 1 x 3 + 2 x 1 x 2 (two requests); copies 1 + the longer of three
// turns of 2 rows at 50, and 6 rows of (64 + 36) bytes at 1, and somewhat more.
TEST_CASE("host: a swap-in, worked out by hand", "[memory]") {
  const Memory memory = make_memory(
      parse_memory("pcie5,lookup_ns=5,lookup_slots_ns=7,lookup_selected_ns=3,lookup_batch_ns=2,copy_ns=1,wave_rows=2,"
                   "wave_ns=50,swap_gb_s=1,row_overhead_bytes=36"));
  const SwapIn call{.requests = 2, .most_missed_rows = 5, .selected_rows = 33, .slots = 70};
  const auto ns = [&](std::uint64_t rows) {
    return memory.model->gather_ns({.row_bytes = 64, .missed_rows = rows, .swap_in = call});
  };
  const double lookup_ns = 5 + 2 * 7 + 1 * 3 + 2 * 1 * 2;
  CHECK(ns(0) == lookup_ns);
  CHECK(ns(6) == Approx(lookup_ns + 1 + 600 * std::pow(1 + std::pow(150.0 / 600, 4), 0.25)));
  // A link that only gathers has no such kernel.
  CHECK(make_memory(parse_memory("host")).model->gather_ns({.row_bytes = 64, .missed_rows = 6, .swap_in = call}) > 0);
}

TEST_CASE("A CSV of swap-ins is priced by its columns", "[memory]") {
  const captures::TempDir folder;
  const std::string header = "row_bytes,rows,requests,most_rows,selected,slots\n";
  std::ofstream(folder / "swap.csv") << header << "656,0,1,0,2048,4096\n";
  const Memory memory = make_memory(parse_memory("pcie5"));
  const double ns = memory.model->gather_ns({.row_bytes = 656, .swap_in = SwapIn{1, 0, 2048, 4096}});
  CHECK(priced_csv((folder / "swap.csv").string(), {}, *memory.model).ends_with(fmt::format(",{:.3f}\n", ns)));
  CHECK(csv_error(folder, header + "656,9,2,4,2048,4096\n") ==
        ":2: most_rows: expected a number from 5 to 9, found \"4\"");
  CHECK(csv_error(folder, "row_bytes,rows,requests\n") ==
        ":1: expected a header with the columns requests with most_rows, selected and slots, found no most_rows");
}

TEST_CASE("host: short rows beyond the reach take their time each", "[memory]") {
  const Memory memory = make_memory(parse_memory("host,call_ns=100,gb_s=2,transfer_bytes=32,reach_rows=10,row_ns=40"));
  CHECK(memory.model->gather_ns({.row_bytes = 64, .missed_rows = 10}) == 100 + 10 * 32);
  CHECK(memory.model->gather_ns({.row_bytes = 64, .missed_rows = 12}) == 100 + 10 * 32 + 2 * 40);
  CHECK(memory.model->gather_ns({.row_bytes = 96, .missed_rows = 12}) == 100 + 12 * 48);  // longer than that anyway
}

TEST_CASE("host: a call and whole transfers of missed rows cost, nothing else", "[memory]") {
  const Memory memory = make_memory(parse_memory("host,call_ns=100,gb_s=2,transfer_bytes=32"));
  CHECK(memory.model->gather_ns({.row_bytes = 656, .hit_rows = 9}) == 0);
  CHECK(memory.model->gather_ns({.row_bytes = 656, .hit_rows = 9, .missed_rows = 3}) == 100 + 3 * 672 / 2);
  CHECK(memory.model->gather_ns({.row_bytes = 64, .missed_rows = 1}) == 132);
  CHECK_THROWS_AS(make_memory(parse_memory("host,gb_s=0")), ConfigError);
  CHECK_THROWS_AS(make_memory(parse_memory("pcie5,transfer_bytes=0")), ConfigError);
}

// 3 rows of 700 bytes are 6 blocks of 512. By 1e8 reads a second 10 ns each, by 4 GB/s 128 ns; two drives share them.
TEST_CASE("nvme: whole blocks, as many as the drives read", "[memory]") {
  const Memory memory =
      make_memory(parse_memory("nvme,latency_ns=100,reads_per_s=1e8,gb_s=4,block_bytes=512,drives=2"));
  CHECK(memory.model->gather_ns({.row_bytes = 700, .hit_rows = 5}) == 0);
  CHECK(memory.model->gather_ns({.row_bytes = 700, .missed_rows = 3}) == 100 + 6 * 128 / 2);
  const Memory busy = make_memory(parse_memory("pm1743,latency_ns=0"));
  CHECK(busy.model->gather_ns({.row_bytes = 656, .missed_rows = 2'500'000}) == 1e9);
  CHECK_THROWS_AS(make_memory(parse_memory("nvme,drives=0")), ConfigError);
  CHECK_THROWS_AS(make_memory(parse_memory("nvme,reads_per_s=0")), ConfigError);
}

TEST_CASE("serial's time of a miss is refused by every other memory, which names its own", "[memory]") {
  const auto refusal = [](const char* memory) {
    MemorySpec spec = parse_memory(memory);
    spec.miss_ns = 400;
    try {
      make_memory(spec);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refusal("serial").empty());
  CHECK(refusal("h100") ==
        "`miss_ns`: is of `memory` serial alone; what a miss takes with h100 is `memory` h100,hbm_ns=400");
  for (const MemoryDescription& model : memory_models()) {
    if (model.default_config.empty()) {
      continue;
    }
    CAPTURE(model.name);
    CHECK(refusal(std::string(model.name).c_str()).find("`miss_ns`: is of `memory` serial alone") == 0);
    MemorySpec applies = parse_memory(fmt::format("{},{}=400", model.name, model.miss_time));
    CHECK_NOTHROW(make_memory(applies));
  }
}
