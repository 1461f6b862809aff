// The caches against a plain simulation that reads a stream line by line: every count, every missed line, over random
// mixtures of rows and streams, so that whatever state a stream leaves shows in what comes after.

#include "llc/reference_llc.hpp"

#include "catch.hpp"
#include "dsasim/llc/llc.hpp"

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace dsasim;
using namespace dsasim::test;

namespace {

struct Case {
  std::string spec;  ///< after the bytes
  std::uint64_t sets;
  std::uint64_t set_aside_ways = 0;
};

/// Rows and streams out of one pool, which is a few times the cache.
class Mixture {
 public:
  Mixture(const Case& cache, std::uint32_t seed) : draws_(seed) {
    const LlcSpec shape = parse_llc("0," + cache.spec);
    way_bytes_ = cache.sets * shape.line_bytes;
    bytes_ = way_bytes_ * shape.ways;
    const LlcSpec spec = parse_llc(std::to_string(bytes_) + "," + cache.spec);
    fast_ = make_llc(spec, 0, cache.set_aside_ways * way_bytes_);
    plain_ = std::make_unique<ReferenceLlc>(spec, cache.sets, cache.set_aside_ways);
  }

  void run(int operations) {
    for (int i = 0; i < operations; ++i) {
      CAPTURE(i);
      switch (below(6)) {
        case 0:
          stream();
          break;
        case 1:
          passing_streams();
          break;
        default:
          rows();
      }
    }
  }

  std::uint64_t stream_hits() const { return stream_hits_; }
  std::uint64_t row_hits() const { return row_hits_; }

 private:
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(draws_);
  }

  void rows() {
    const std::uint64_t row_bytes = below(2) == 0 ? 656 : 1 + below(1200);
    const std::uint64_t pool_bytes = below(2) == 0 ? bytes_ / 2 + 1 : bytes_ * 3;
    std::vector<std::uint64_t> addresses(below(2 + bytes_ / 512));
    for (std::uint64_t& address : addresses) {
      address = below(2) == 0 ? below(pool_bytes) : below(pool_bytes / 656 + 1) * 656;
    }
    const bool persisting = below(3) == 0;
    std::vector<std::uint64_t> missed{7};  // is appended to
    std::vector<std::uint64_t> plain_missed{7};
    const LlcReads reads = fast_->read_rows(addresses, row_bytes, persisting, missed);
    REQUIRE(reads == plain_->read_rows(addresses, row_bytes, persisting, plain_missed));
    REQUIRE(missed == plain_missed);
    row_hits_ += reads.hit_rows;
  }

  void stream() {
    const std::uint64_t longest = below(4) == 0 ? 12 * bytes_ : below(2) == 0 ? 2 * bytes_ : 2 * way_bytes_;
    const std::uint64_t bytes = below(longest + 1);
    const std::uint64_t address = below(2) == 0 ? below(bytes_) : below(3 * bytes_ + 1);
    CAPTURE(address, bytes);
    const LlcReads reads = fast_->read_stream(address, bytes);
    REQUIRE(reads == plain_->read_stream(address, bytes));
    stream_hits_ += reads.hit_sectors;
  }

  /// As a decode step has them: many, each a few lines a set, apart from each other or not.
  void passing_streams() {
    std::uint64_t address = below(bytes_);
    for (std::uint64_t left = 1 + below(24); left > 0; --left) {
      const std::uint64_t bytes = below(4 * way_bytes_);
      fast_->pass_stream(address, bytes);
      plain_->read_stream(address, bytes);
      address = below(8) == 0 ? below(3 * bytes_) : address + bytes + (below(2) == 0 ? 0 : below(300));
    }
  }

  std::mt19937 draws_;
  std::uint64_t way_bytes_;
  std::uint64_t bytes_;
  std::unique_ptr<Llc> fast_;
  std::unique_ptr<ReferenceLlc> plain_;
  std::uint64_t stream_hits_ = 0;
  std::uint64_t row_hits_ = 0;
};

}  // namespace

TEST_CASE("Reads find what a simulation line by line finds", "[llc]") {
  const std::string policy = GENERATE("lru", "tree-plru", "srrip", "random");
  const Case cache =
      GENERATE(Case{"", 1}, Case{"", 7}, Case{"line_bytes=64,sector_bytes=64", 12}, Case{"ways=1", 9},
               Case{"ways=2,sector_bytes=128", 8}, Case{"ways=4,line_bytes=256,sector_bytes=128", 5},
               Case{"ways=8,line_bytes=1024,sector_bytes=128", 3}, Case{"ways=32,line_bytes=64,sector_bytes=8", 3});
  const std::uint32_t seed = GENERATE(1U, 2U);
  CAPTURE(policy, cache.spec, cache.sets, seed);
  Mixture mixture({cache.spec + (cache.spec.empty() ? "" : ",") + "policy=" + policy, cache.sets}, seed);
  mixture.run(100);
  CHECK(mixture.row_hits() > 0);
  CHECK(mixture.stream_hits() > 0);
}

TEST_CASE("With lines set aside too", "[llc]") {
  const std::string policy = GENERATE("lru", "tree-plru", "srrip", "random");
  const Case cache = GENERATE(Case{"", 5, 10}, Case{"", 3, 15}, Case{"", 4, 1}, Case{"ways=2", 9, 1},
                              Case{"ways=8,seed=77", 6, 3}, Case{"ways=32,line_bytes=64", 3, 20});
  const std::uint32_t seed = GENERATE(1U, 2U);
  CAPTURE(policy, cache.spec, cache.sets, cache.set_aside_ways, seed);
  Mixture mixture({cache.spec + (cache.spec.empty() ? "" : ",") + "policy=" + policy, cache.sets, cache.set_aside_ways},
                  seed);
  mixture.run(100);
  CHECK(mixture.row_hits() > 0);
  CHECK(mixture.stream_hits() > 0);
}

TEST_CASE("Any number of ways is a number of ways, but for a tree", "[llc]") {
  const std::string policy = GENERATE("lru", "srrip", "random");
  const std::string ways = GENERATE("3", "5", "11", "17", "20", "31");
  CAPTURE(policy, ways);
  Mixture mixture({"ways=" + ways + ",policy=" + policy, 4}, 1);
  mixture.run(100);
  Mixture with_marks({"ways=" + ways + ",policy=" + policy, 4, 2}, 2);
  with_marks.run(100);
}

TEST_CASE("Without a set everything misses", "[llc]") {
  const LlcSpec spec = parse_llc("2047");
  const auto fast = make_llc(spec, 0, 0);
  ReferenceLlc plain(spec, 0, 0);
  std::mt19937 draws(1);
  for (int i = 0; i < 50; ++i) {
    const std::vector<std::uint64_t> addresses = {draws() % 4096, draws() % 4096, 128};
    std::vector<std::uint64_t> missed;
    std::vector<std::uint64_t> plain_missed;
    const std::uint64_t row_bytes = 1 + draws() % 1000;
    REQUIRE(fast->read_rows(addresses, row_bytes, i % 2 == 0, missed) ==
            plain.read_rows(addresses, row_bytes, i % 2 == 0, plain_missed));
    REQUIRE(missed == plain_missed);
    REQUIRE(fast->read_stream(addresses[0], row_bytes) == plain.read_stream(addresses[0], row_bytes));
  }
  CHECK(fast->read_stream(5, 0) == LlcReads{});
}
