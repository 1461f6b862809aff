#include "import/base64.hpp"

#include "captures.hpp"
#include "catch.hpp"
#include "import/base64_field.hpp"
#include "reading.hpp"

#include <random>

using namespace dsasim;
using namespace captures;

namespace {

std::string text_of(const Base64Quartet& quartet) {
  std::string out;
  for (std::size_t i = 0; i < quartet.size; ++i) {
    out += static_cast<char>(quartet.bytes.at(i));
  }
  return out;
}

Base64Quartet quartet(const std::string& text) {
  return decode_base64_quartet(std::span(text).first<4>());
}

const std::vector<JsonFields::Path> field{{"f"}};

/// The field f of a text, read `piece` bytes at a time.
std::string read_field(const TempDir& dir, std::string_view text, std::size_t piece) {
  write_file(dir / "j.json", text);
  JsonFields measured(dir / "j.json", field);
  REQUIRE(measured.next() == JsonFields::Event::field);
  const std::uint64_t size = measure_base64(measured, "j.json: f", 0).bytes;
  JsonFields json(dir / "j.json", field);
  REQUIRE(json.next() == JsonFields::Event::field);
  const auto bytes = open_base64(json, "j.json: f", size);
  std::string out(size, '\0');
  for (std::size_t at = 0; at < out.size(); at += piece) {
    bytes->read(std::as_writable_bytes(std::span(out).subspan(at, std::min(piece, out.size() - at))));
  }
  bytes->finish();
  return out;
}

}  // namespace

TEST_CASE("the examples of RFC 4648 are decoded", "[import][base64]") {
  CHECK(text_of(quartet("Zg==")) == "f");
  CHECK(text_of(quartet("Zm8=")) == "fo");
  CHECK(text_of(quartet("Zm9v")) == "foo");
  std::string out(6, '\0');
  CHECK(decode_base64(std::string_view("Zm9vYmFy"), std::as_writable_bytes(std::span(out))) == 8);
  CHECK(out == "foobar");
}

TEST_CASE("what is no base64 is found at its place", "[import][base64]") {
  const auto [text, at] = GENERATE(table<std::string, std::size_t>({
      {"====", 0},
      {"Z===", 1},
      {"Zg=v", 2},
      {"Zm9-", 3},
      {"Z m8", 1},
      {"Zh==", 1},  // the four bits that are cut off are not 0
      {"Zm9=", 2},  // nor these two
      {"Zm\xc3\xa9", 2},
  }));
  CHECK(quartet(text).size == 0);
  CHECK(quartet(text).wrong_at == at);
  for (int c = 0; c < 256; ++c) {
    std::string pair = "AAAAAAAA";
    pair[5] = static_cast<char>(c);
    std::string out(6, '\0');
    const bool good = std::isalnum(c) != 0 || c == '+' || c == '/';
    CHECK(decode_base64(pair, std::as_writable_bytes(std::span(out))) == (good ? 8U : 5U));
  }
}

TEST_CASE("a field is decoded in pieces of any size", "[import][base64]") {
  const TempDir dir;
  std::mt19937 random(3);
  for (const std::size_t size : {0U, 1U, 2U, 3U, 4U, 100U, 5000U}) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random());
    }
    std::string text = base64(bytes);
    std::string escaped;  // some writers of JSON escape the solidus, which cuts the string into pieces
    for (const char c : text) {
      escaped += c == '/' ? "\\/" : std::string(1, c);
    }
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 64U, 10000U}) {
      CHECK((read_field(dir, R"({"f": ")" + text + R"("})", piece) == bytes));
      CHECK((read_field(dir, R"({"f": ")" + escaped + R"("})", piece) == bytes));
    }
  }
}

TEST_CASE("a field that is no base64 names the byte", "[import][base64]") {
  const TempDir dir;
  const auto [value, message] = GENERATE(table<std::string, std::string>({
      {"Zm9vYmF", "has 7 characters of base64, which is no multiple of 4: it was cut off, or is no base64"},
      {"Zm9vYm-y", "'-' at byte 13 of the text is no base64"},
      {"Zm9vZm9vYm\\u00e9", "'\\xc3' at byte 21 of the text is no base64"},
      {"Zg==Zm9v", "'=' at byte 9 of the text is no base64"},
      {"Zm9vZh==", "'h' at byte 12 of the text is no base64"},
      {"Zm9=", "'9' at byte 9 of the text is no base64"},
      {"Zm9v====", "'=' at byte 11 of the text is no base64"},
  }));
  const auto text = R"({"f": ")" + value + R"("})";
  CAPTURE(text);
  CHECK(error_of(dir, [&] { read_field(dir, text, 100); }) == "j.json: f: " + message);
}
