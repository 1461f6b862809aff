#include "trace/bit_stream.hpp"

#include "catch.hpp"

#include <random>
#include <utility>

using namespace dsasim::trace;

TEST_CASE("the first bit written is the lowest of the first byte", "[trace]") {
  BitWriter writer;
  writer.put(1, 1);
  writer.put(0b0110, 4);
  writer.put(0x1FF, 9);
  CHECK(writer.take() == std::vector<std::uint8_t>{0b1110'1101, 0b0011'1111});
  CHECK(writer.take().empty());
  writer.put(0xFEDC'BA98'7654'3210, 64);
  CHECK(writer.take() == std::vector<std::uint8_t>{0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE});
}

TEST_CASE("what is written in pieces of 0 to 64 bits is read in the same pieces", "[trace]") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::pair<std::uint64_t, unsigned>> pieces(random() % 200);
    BitWriter writer;
    std::size_t bits = 0;
    for (auto& [value, count] : pieces) {
      count = static_cast<unsigned>(random() % 65);
      value = random() & low_mask(count);
      writer.put(value, count);
      bits += count;
    }
    std::vector<std::uint8_t> bytes = writer.take();
    const std::size_t size = bytes.size();
    REQUIRE(size == (bits + 7) / 8);
    bytes.resize(size + 16, 0);
    BitReader reader(bytes.data(), size);
    for (const auto& [value, count] : pieces) {
      REQUIRE((reader.take(count) & low_mask(count)) == value);
      REQUIRE_FALSE(reader.overrun());
    }
    CHECK(reader.exhausted());
  }
}

TEST_CASE("a reader knows whether bits are left and whether too many were taken", "[trace]") {
  const std::vector<std::uint8_t> bytes(24, 0xFF);
  BitReader reader(bytes.data(), 2);
  CHECK_FALSE(reader.exhausted());
  reader.take(8);
  CHECK_FALSE(reader.exhausted());
  reader.take(1);
  CHECK(reader.exhausted());
  reader.take(7);
  CHECK(reader.exhausted());
  CHECK_FALSE(reader.overrun());
  reader.take(1);
  CHECK(reader.overrun());
  CHECK_FALSE(reader.exhausted());
}
