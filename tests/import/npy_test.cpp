#include "captures.hpp"
#include "catch.hpp"
#include "reading.hpp"

#include <fmt/format.h>

using namespace dsasim;
using namespace captures;

using Values = std::vector<std::int64_t>;

TEST_CASE("an array is read in C order, step by step", "[import][npy]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy("(2, 3, 4)", iota(24)));
  const auto file = captures::open("npy", dir / "a.npy");
  CHECK(file->requests().front() ==
        CaptureShape{.steps = 2, .layers = 3, .top_k = 4, .prompt_tokens = std::nullopt, .has_scores = false});
  const auto source = file->read();
  CaptureStep step{.request = 5, .ids = {}, .scores = {1, 2, 3}};
  source->read_step(step);
  CHECK(step.request == 0);
  CHECK(step.ids == iota(12));
  CHECK(step.scores.empty());
  source->read_step(step);
  CHECK(step.ids.front() == 12);
  CHECK(step.ids.back() == 23);
}

TEST_CASE("every integer type is read, of either byte order", "[import][npy]") {
  const auto [descr, size, big, values] = GENERATE(table<std::string, std::size_t, bool, Values>({
      {"|i1", 1, false, {127, -1, 0, -128}},
      {"<i1", 1, false, {127, -1, 0, -128}},
      {"|u1", 1, false, {255, 0, 128, 1}},
      {"<i2", 2, false, {32767, -1, 258, -32768}},
      {"<u2", 2, false, {65535, 0, 258, 1}},
      {"<i4", 4, false, {2147483647, -1, 16909060, -2147483648}},
      {"<u4", 4, false, {4294967295, 0, 16909060, 1}},
      {"<i8", 8, false, {9223372036854775807, -1, 72623859790382856, 0}},
      {"<u8", 8, false, {9223372036854775807, 1, 72623859790382856, 0}},
      {">i2", 2, true, {32767, -1, 258, -32768}},
      {">u2", 2, true, {65535, 0, 258, 1}},
      {">i4", 4, true, {2147483647, -1, 16909060, -2147483648}},
      {">u4", 4, true, {4294967295, 0, 16909060, 1}},
      {">i8", 8, true, {9223372036854775807, -1, 72623859790382856, 0}},
      {">u8", 8, true, {9223372036854775807, 1, 72623859790382856, 0}},
  }));
  CAPTURE(descr);
  const TempDir dir;
  write_file(dir / "a.npy", npy_around(dictionary(descr, "(2, 1, 2)"), integers(values, size, big)));
  CHECK(read_all("npy", dir / "a.npy").ids == values);
}

TEST_CASE("Fortran order is turned into C order", "[import][npy]") {
  // Element (s, l, c) of a (2, 3, 4) array is 12 s + 4 l + c, and lies at s + 2 (l + 3 c).
  Values values(24);
  for (std::int64_t i = 0; i < 24; ++i) {
    const std::int64_t at = i / 12 + 2 * (i / 4 % 3 + 3 * (i % 4));
    values[static_cast<std::size_t>(at)] = i;
  }
  const auto [descr, size, big] = GENERATE(table<std::string, std::size_t, bool>(
      {{"|i1", 1, false}, {"<u2", 2, false}, {"<i4", 4, false}, {">i4", 4, true}, {"<i8", 8, false}}));
  const TempDir dir;
  write_file(dir / "f.npy", npy_around(dictionary(descr, "(2, 3, 4)", true), integers(values, size, big)));
  CHECK(read_all("npy", dir / "f.npy").ids == iota(24));
}

TEST_CASE("arrays larger than the buffer are read whole", "[import][npy]") {
  // 3 x 5 x 50021 ids of 4 bytes are 2.9 buffers; neither steps nor rows divide one.
  const std::size_t count = std::size_t{3} * 5 * 50021;
  const bool fortran = GENERATE(false, true);
  Values values = iota(count);
  if (fortran) {
    for (std::size_t i = 0; i < count; ++i) {
      values[i / 250105 + 3 * (i / 50021 % 5 + 5 * (i % 50021))] = static_cast<std::int64_t>(i);
    }
  }
  const TempDir dir;
  write_file(dir / "a.npy", npy_around(dictionary("<i4", "(3, 5, 50021)", fortran), integers(values, 4)));
  CHECK((read_all("npy", dir / "a.npy").ids == iota(count)));
}

TEST_CASE("the header is any dictionary numpy would write", "[import][npy]") {
  const auto text = GENERATE(values<std::string>({
      "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2, 3), }",
      "{'shape': (1, 2, 3), 'fortran_order': False, 'descr': '<i4'}",
      "{\"fortran_order\":False,\"descr\":\"<i4\",\"shape\":(1,2,3,)}",
      "  {  'descr' : '<i4' , 'fortran_order' : False , 'shape' : ( 1 , 2 , 3 , ) , }  ",
      "{'descr': '<i4', 'fortran_order': True, 'shape': (1, 2, 3)}",
  }));
  const int major = GENERATE(1, 2, 3);
  CAPTURE(text, major);
  const TempDir dir;
  const bool fortran = text.find("True") != std::string::npos;
  const Values values = fortran ? Values{0, 3, 1, 4, 2, 5} : iota(6);
  write_file(dir / "a.npy", npy_around(text, integers(values, 4), major));
  CHECK(read_all("npy", dir / "a.npy").ids == iota(6));
}

TEST_CASE("a header that numpy would not write is refused", "[import][npy]") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"", "header: expected '{', found its end"},
      {"[]", "header: expected '{', found '[' at byte 0"},
      {"{}", "header: missing key 'descr'"},
      {"{'descr': '<i4', 'shape': (1, 1, 1)}", "header: missing key 'fortran_order'"},
      {"{'descr': '<i4', 'fortran_order': False}", "header: missing key 'shape'"},
      {"{'descr': '<i4', 'descr': '<i4'}", "header: duplicate key 'descr'"},
      {"{'order': 1}", "header: unknown key 'order'; known: descr, fortran_order, shape"},
      {"{'a\nb': 1}", "header: unknown key 'a\\x0ab'; known: descr, fortran_order, shape"},
      {"{'descr' '<i4'}", "header: expected ':', found ''' at byte 9"},
      {"{'descr': <i4}", "header: expected a quoted string, found '<' at byte 10"},
      {"{'descr': '<i4}", "header: a string is not closed"},
      {"{'fortran_order': 0}", "header: expected True or False, found '0' at byte 18"},
      {"{'shape': (3)}", "header: shape (3) is a number, expected a tuple"},
      {"{'shape': (3 4)}", "header: expected ',', found '4' at byte 13"},
      {"{'shape': (-3, 4)}", "header: expected a number, found '-' at byte 11"},
      {"{'shape': (,)}", "header: expected a number, found ',' at byte 11"},
      {"{'shape': [3, 4]}", "header: expected '(', found '[' at byte 10"},
      {"{'shape': (18446744073709551616,)}", "header: 18446744073709551616 in the shape does not fit 64 bits"},
      {"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1, 1)} x",
       "header: expected the end, found 'x' at byte 61"},
      {"{'descr': [('a', '<i4'", "header: expected ']', found its end"},
  }));
  CAPTURE(text);
  const TempDir dir;
  std::string bytes = "\x93NUMPY";
  bytes += std::string("\x01\x00", 2) + integers({static_cast<std::int64_t>(text.size())}, 2) + text;
  write_file(dir / "a.npy", bytes);
  CHECK(error_of(dir, [&] { captures::open("npy", dir / "a.npy"); }) == "a.npy: " + message);
}

TEST_CASE("a type that is no integer is named", "[import][npy]") {
  const auto [descr, name] = GENERATE(table<std::string, std::string>({
      {"'|b1'", "bool"},
      {"'<f4'", "float32"},
      {"'<f2'", "float16"},
      {"'<c8'", "complex64"},
      {"'|O'", "object"},
      {"'<U5'", "'<U5'"},
      {"'<M8[ns]'", "'<M8[ns]'"},
      {"'i4'", "'i4'"},
      {"'|i4'", "'|i4'"},
      {"'<i99999999999999999999'", "'<i99999999999999999999'"},
      {"''", "''"},
      {"'<i3'", "int24"},
      {"[('ids', '<i4', (2,)), ('at', '<f4')]", "structured"},
  }));
  const TempDir dir;
  write_file(
      dir / "a.npy",
      npy_around(fmt::format("{{'descr': {}, 'fortran_order': False, 'shape': (1, 1, 1)}}", descr), integers({1}, 4)));
  CHECK(error_of(dir, [&] { captures::open("npy", dir / "a.npy"); }) ==
        fmt::format("a.npy: dtype is {}, expected int8 to int64 or uint8 to uint64", name));
}

TEST_CASE("an array that does not fit what is said of it names the numbers", "[import][npy]") {
  using Number = std::optional<std::uint32_t>;
  const Number none;
  const auto [shape, count, layers, top_k, message] =
      GENERATE_COPY(table<std::string, int, Number, Number, std::string>({
          {"(1024, 16, 512)", 1, Number(8), none, "shape (1024, 16, 512) has 16 layers, `layers` says 8"},
          {"(1024, 16, 512)", 1, none, Number(64), "shape (1024, 16, 512) has 512 ids a row, `top_k` says 64"},
          {"(10, 16, 512)", 850, none, none, "holds 3400 bytes of data, shape (10, 16, 512) of int32 needs 327680"},
          {"(1, 1, 1)", 2, none, none, "holds 8 bytes of data, shape (1, 1, 1) of int32 needs 4"},
          {"(0, 16, 512)", 0, none, none, "shape (0, 16, 512) has no decode steps"},
          {"(4, 0, 512)", 0, none, none, "shape (4, 0, 512) has no layers"},
          {"(4, 16, 0)", 0, none, none, "shape (4, 16, 0) has no ids in a row"},
          {"()", 1, none, none, "shape () has 0 dimensions, expected (steps, layers, top-k)"},
          {"(1, 2, 3, 4)", 24, none, none,
           "shape (1, 2, 3, 4) is (steps, queries, layers, top-k) or (steps, layers, heads, top-k); an array "
           "`accepted` beside "
           "it says the first, `heads` 3 the second"},
          {"(4, 6)", 24, none, none,
           "shape (4, 6) has 2 dimensions, expected (steps, layers, top-k); to split its rows, give `layers`"},
          {"(4, 6)", 24, none, Number(3),
           "shape (4, 6) has 2 dimensions, expected (steps, layers, top-k); to split its rows, give `layers`"},
          {"(4, 6)", 24, Number(4), none,
           "shape (4, 6) has rows of 6 ids, which are no multiple of the 4 layers of `layers`"},
          {"(4, 6)", 24, Number(2), Number(2), "shape (4, 6) has 3 ids a row, `top_k` says 2"},
          {"(24,)", 24, Number(2), none,
           "shape (24,) has 1 dimension, expected (steps, layers, top-k); to split it, give `layers` and `top_k`"},
          {"(24,)", 24, Number(5), Number(2), "shape (24,) is no multiple of 5 layers (`layers`) x 2 ids (`top_k`)"},
          {"(24,)", 24, Number(4000000000), Number(2), "`layers` says 4000000000, expected 1 to 16777216"},
          {"(4294967296, 4294967296, 2)", 1, none, none,
           "shape (4294967296, 4294967296, 2) has more elements than 64 bits count"},
          {"(4294967296, 1073741823, 4)", 1, none, none,
           "shape (4294967296, 1073741823, 4) has 4294967292 ids a step, at most 16777216 are supported"},
          {"(9223372036854775807, 1, 1)", 1, none, none,
           "holds 4 bytes of data, shape (9223372036854775807, 1, 1) of int32 needs more than 64 bits count"},
          {"(0, 18446744073709551615, 18446744073709551615)", 0, none, none,
           "shape (0, 18446744073709551615, 18446744073709551615) has no decode steps"},
      }));
  CAPTURE(shape);
  const TempDir dir;
  write_file(dir / "a.npy", npy(shape, iota(static_cast<std::size_t>(count))));
  ImportOptions options;
  options.layers = layers;
  options.top_k = top_k;
  CHECK(error_of(dir, [&] { captures::open("npy", dir / "a.npy", options); }) == "a.npy: " + message);
}

TEST_CASE("flat arrays are split as the options say", "[import][npy]") {
  const auto shape = GENERATE(values<std::string>({"(24,)", "(4, 6)", "(4, 2, 3)"}));
  const TempDir dir;
  write_file(dir / "a.npy", npy(shape, iota(24)));
  ImportOptions options;
  options.layers = 2;
  options.top_k = 3;
  const Contents contents = read_all("npy", dir / "a.npy", options);
  CHECK(contents.shape ==
        CaptureShape{.steps = 4, .layers = 2, .top_k = 3, .prompt_tokens = std::nullopt, .has_scores = false});
  CHECK(contents.ids == iota(24));
}

TEST_CASE("a number that int64 cannot hold is refused", "[import][npy]") {
  const TempDir dir;
  write_file(dir / "a.npy", npy_around(dictionary("<u8", "(1, 1, 2)"), integers({1, -1}, 8)));
  CHECK(error_of(dir, [&] { read_all("npy", dir / "a.npy"); }) ==
        "a.npy: holds a number above 9223372036854775807, expected an id below 2147483648");
}

TEST_CASE("a file that is no .npy says what it is", "[import][npy]") {
  using namespace std::string_literals;
  const auto [bytes, message] = GENERATE(table<std::string, std::string>({
      {"", "is empty, expected an .npy array (\"\\x93NUMPY\")"},
      {"PK\x03\x04 and so on", "starts with \"PK\\x03\\x04 and\", expected an .npy array (\"\\x93NUMPY\")"},
      {"\x93NUMPY", "holds 6 bytes, too few for an .npy header"},
      {"\x93NUMPY\x04\x00\x00\x00"s, "is .npy version 4.0, expected 1.0, 2.0 or 3.0"},
      {"\x93NUMPY\x01\x01\x00\x00"s, "is .npy version 1.1, expected 1.0, 2.0 or 3.0"},
      {"\x93NUMPY\x02\x00\x00\x00"s, "holds 10 bytes, too few for an .npy header"},
      {"\x93NUMPY\x02\x00\xff\xff\xff\xff"s, "holds 12 bytes, its header says that it is 4294967307 long"},
      {"\x93NUMPY\x02\x00\x01\x00\x01\x00"s + std::string(65537, ' '),
       "has a header of 65537 bytes, at most 65536 are read"},
  }));
  const TempDir dir;
  write_file(dir / "a.npy", bytes);
  CHECK(error_of(dir, [&] { captures::open("npy", dir / "a.npy"); }) == "a.npy: " + message);
}

TEST_CASE("what is no readable file says so", "[import][npy]") {
  const TempDir dir;
  CHECK(error_of(dir, [&] { captures::open("npy", dir / "none.npy"); }) ==
        "none.npy: cannot open: No such file or directory");
  std::filesystem::create_directory(dir / "d.npy");
  CHECK(error_of(dir, [&] { captures::open("npy", dir / "d.npy"); }) == "d.npy: not a regular file");
  CHECK_THROWS_AS(captures::open("npy", dir / "none.npy"), SystemError);
}

TEST_CASE("an .npy cut off anywhere is an error", "[import][npy]") {
  const bool fortran = GENERATE(false, true);
  const TempDir dir;
  const std::string whole = npy_around(dictionary("<i4", "(2, 2, 3)", fortran), integers(iota(12), 4));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    write_file(dir / "a.npy", whole.substr(0, size));
    CHECK_THROWS_AS(read_all("npy", dir / "a.npy"), Error);
  }
}

TEST_CASE("an .npy with any byte changed is an error or an array", "[import][npy]") {
  const TempDir dir;
  const std::string whole = npy("(2, 2, 3)", iota(12));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x02, 0x04, 0x10, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      write_file(dir / "a.npy", damaged);
      try {
        const Contents contents = read_all("npy", dir / "a.npy");
        CHECK(contents.ids.size() <= whole.size());
      } catch (const Error& error) {
        CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
      }
    }
  }
}
