#include "json_fields.hpp"

#include "byte_source.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "dsasim/types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <optional>

namespace dsasim {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 18U;
constexpr std::size_t deepest = 256;
constexpr std::size_t longest_key = 256;
constexpr std::size_t longest_scalar = 64;
constexpr std::size_t most_integers = std::size_t{1} << 24U;
constexpr std::string_view any_element = "[]";

bool is_space(char c) noexcept {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_scalar(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
}

constexpr std::uint64_t every_byte = 0x0101010101010101U;

/// The high bit of each byte that is below `limit` (at most 128), and perhaps those of bytes after the first of them.
constexpr std::uint64_t bytes_below(std::uint64_t word, std::uint64_t limit) noexcept {
  return (word - every_byte * limit) & ~word & (every_byte * 0x80U);
}
constexpr std::uint64_t bytes_equal(std::uint64_t word, char c) noexcept {
  return bytes_below(word ^ (every_byte * static_cast<unsigned char>(c)), 1);
}

/// "choices[].indexer_topk"
std::string joined(std::span<const std::string_view> path) {
  std::string out;
  for (const std::string_view step : path) {
    out += step != any_element && !out.empty() ? "." : "";
    out += step;
  }
  return out;
}

void append_utf8(std::uint32_t code, std::array<char, 8>& out, std::size_t& size) noexcept {
  const auto put = [&](std::uint32_t byte) { out[size++] = static_cast<char>(byte); };
  if (code < 0x80U) {
    put(code);
  } else if (code < 0x800U) {
    put(0xc0U | (code >> 6U));
    put(0x80U | (code & 0x3fU));
  } else if (code < 0x10000U) {
    put(0xe0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3fU));
    put(0x80U | (code & 0x3fU));
  } else {
    put(0xf0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3fU));
    put(0x80U | ((code >> 6U) & 0x3fU));
    put(0x80U | (code & 0x3fU));
  }
}

std::string_view name_of(JsonKind kind) noexcept {
  switch (kind) {
    case JsonKind::object:
      return "an object";
    case JsonKind::array:
      return "a list";
    case JsonKind::string:
      return "a string";
    case JsonKind::number:
      return "a number";
    case JsonKind::null:
      return "null";
    default:
      return "true or false";
  }
}

}  // namespace

JsonFields::JsonFields(const std::filesystem::path& file, std::vector<Path> fields)
    : stream_(open_text(file)), fields_(std::move(fields)), buffer_(buffer_bytes) {
  assert(fields_.size() < 64);
}

// ---- Structure ----

JsonFields::Event JsonFields::next() {
  if (in_string_) {
    skip_string();
  } else if (value_pending_) {
    skip_value();
  }
  value_pending_ = false;
  while (true) {
    if (frames_.empty() || (frames_.back().is_array && frames_.back().depth == 0 && !frames_.back().is_document)) {
      if (!next_document()) {
        return Event::end;
      }
      continue;
    }
    Frame& frame = frames_.back();
    const bool was_document = frame.is_document;
    const std::size_t depth = frames_.size();
    if (next_member(frame)) {
      return Event::field;
    }
    if (frames_.size() < depth && was_document) {
      return Event::end_of_document;
    }
  }
}

/// At the top, or in a list at the top: begins a document, begins or ends such a list, or finds the end of the text.
bool JsonFields::next_document() {
  if (frames_.empty()) {
    if (skip_space_to_end()) {
      return false;
    }
    if (peek() == '[') {
      ++at_;
      frames_.push_back({.is_array = true});
      return true;
    }
  } else {
    skip_space();
    if (peek() == ']') {
      ++at_;
      frames_.pop_back();
      return true;
    }
    if (frames_.back().started) {
      expect(',');
      skip_space();
    }
    frames_.back().started = true;
  }
  if (peek() != '{') {
    fail(frames_.empty() ? "an object or a list of objects" : "an object");
  }
  ++at_;
  const std::uint64_t all = (std::uint64_t{1} << fields_.size()) - 1;
  frames_.push_back({.is_document = true, .candidates = all});
  ++documents_;
  return true;
}

/// The next member or element of an object or a list that leads to a field, or its end. True at a field.
bool JsonFields::next_member(Frame& frame) {
  const bool is_array = frame.is_array;
  skip_space();
  if (peek() == (is_array ? ']' : '}')) {
    ++at_;
    frames_.pop_back();
    return false;
  }
  if (frame.started) {
    expect(',');
    skip_space();
  }
  if (is_array) {
    element_ = frame.started ? element_ + 1 : 0;
  }
  frame.started = true;
  if (is_array) {
    return begin_value(frame, any_element);
  }
  read_key(scratch_);
  skip_space();
  expect(':');
  skip_space();
  return begin_value(frame, scratch_);
}

/// At a value: a field, on the way to one, or neither.
bool JsonFields::begin_value(Frame& frame, std::string_view step) {
  std::uint64_t candidates = 0;
  std::optional<std::size_t> here;
  const std::uint32_t depth = frame.depth + 1;
  kind_ = peek_kind();
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const bool leads_here = ((frame.candidates >> i) & 1U) != 0 && fields_[i][depth - 1] == step;
    if (leads_here && fields_[i].size() == depth) {
      here = i;
    } else {
      candidates |= std::uint64_t{leads_here ? 1U : 0U} << i;
    }
  }
  const bool is_way = candidates != 0 && (kind_ == JsonKind::object || kind_ == JsonKind::array);
  if (here && !is_way) {
    field_ = *here;
    value_pending_ = true;
    return true;
  }
  if (candidates == 0 && !frame.is_array) {
    note_unread(frame, step);
  }
  if (!is_way) {
    skip_value();
    return false;
  }
  ++at_;
  frames_.push_back({.is_array = kind_ == JsonKind::array, .candidates = candidates, .depth = depth});
  return false;
}

/// The first documents are enough: those of a file are alike.
void JsonFields::note_unread(const Frame& frame, std::string_view key) {
  constexpr std::uint64_t most_documents = 64;
  constexpr std::size_t most_names = 64;
  if (documents_ > most_documents || unread_.size() == most_names) {
    return;
  }
  const Path& path = fields_[static_cast<std::size_t>(std::countr_zero(frame.candidates))];
  const std::string before = joined(std::span(path).first(frame.depth));
  unread_.insert(fmt::format("{}{}{}", before, before.empty() ? "" : ".", key));
}

void JsonFields::read_key(std::string& key) {
  if (peek() != '"') {
    fail("a key");
  }
  begin_string();
  key.clear();
  std::span<const char> piece;
  while (string_piece(piece)) {
    // A key that was cut is none of ours.
    key.append(piece.data(), std::min(piece.size(), longest_key - std::min(longest_key, key.size())));
  }
}

JsonKind JsonFields::peek_kind() {
  const char c = peek();
  switch (c) {
    case '{':
      return JsonKind::object;
    case '[':
      return JsonKind::array;
    case '"':
      return JsonKind::string;
    case 'n':
      return JsonKind::null;
    case 't':
    case 'f':
      return JsonKind::boolean;
    default:
      if (c != '-' && !is_digit(c)) {
        fail("a value");
      }
      return JsonKind::number;
  }
}

// ---- Values ----

void JsonFields::require(JsonKind kind) const {
  if (kind_ != kind) {
    throw TraceError(place(), "{} is {}, expected {}", field_name(), dsasim::name_of(kind_), dsasim::name_of(kind));
  }
}

std::uint64_t JsonFields::unsigned_number() {
  require(JsonKind::number);
  value_pending_ = false;
  const std::string place_before = place();
  const std::string_view text = scalar();
  const auto out = number_of<std::uint64_t>(text);
  if (!out) {
    throw TraceError(place_before, "{} is {}, expected a whole number from 0", field_name(), printable(text));
  }
  return *out;
}

std::string JsonFields::text(std::size_t most) {
  require(JsonKind::string);
  std::string out;
  std::span<const char> piece;
  while (string_piece(piece)) {
    out.append(piece.data(), std::min(piece.size(), most - std::min(most, out.size())));
  }
  return out;
}

void JsonFields::integers(std::vector<std::int64_t>& out) {
  require(JsonKind::array);
  value_pending_ = false;
  out.clear();
  ++at_;
  skip_space();
  if (peek() == ']') {
    ++at_;
    return;
  }
  while (true) {
    if (out.size() == most_integers) {
      throw TraceError(place(), "{} has more than {} numbers", field_name(), most_integers);
    }
    out.push_back(integer());
    skip_space();
    if (peek() == ']') {
      ++at_;
      return;
    }
    expect(',');
    skip_space();
  }
}

void JsonFields::numbers(std::vector<double>& out) {
  require(JsonKind::array);
  value_pending_ = false;
  out.clear();
  ++at_;
  for (skip_space(); peek() != ']'; skip_space()) {
    if (!out.empty()) {
      expect(',');
      skip_space();
    }
    if (out.size() == most_integers) {
      throw TraceError(place(), "{} has more than {} numbers", field_name(), most_integers);
    }
    const auto number = number_of<double>(scalar());
    if (!number) {
      fail("a number");
    }
    out.push_back(*number);
  }
  ++at_;
}

std::uint64_t JsonFields::count_numbers() {
  require(JsonKind::array);
  value_pending_ = false;
  ++at_;
  std::uint64_t commas = 0;
  bool empty = true;
  for (skip_space(); peek() != ']'; skip_space()) {
    const char c = peek();
    if (c != ',' && !is_scalar(c)) {
      fail("a number");
    }
    commas += c == ',' ? 1U : 0U;
    empty = false;
    ++at_;
  }
  ++at_;
  return empty ? 0 : commas + 1;
}

/// Digits, at most 10 of them: what ids are made of.
std::int64_t JsonFields::integer() {
  const std::string_view digits_needed = "a whole number below 2147483648";
  const bool negative = peek() == '-';
  at_ += negative ? 1U : 0U;
  if (!is_digit(peek())) {
    fail(digits_needed);
  }
  std::int64_t out = 0;
  for (char c = peek(); is_digit(c); c = peek()) {
    out = 10 * out + (c - '0');
    if (out >= static_cast<std::int64_t>(max_entry_ids)) {
      fail(digits_needed);
    }
    ++at_;
  }
  if (is_scalar(peek())) {
    fail(digits_needed);  // 1.5, 1e3
  }
  return negative ? -out : out;
}

void JsonFields::begin_string() {
  string_begin_ = offset();
  ++at_;
  in_string_ = true;
  string_is_field_ = false;
}

/// Bytes from at_ on that stand for themselves.
std::size_t JsonFields::plain_run() const noexcept {
  const char* const begin = buffer_.data() + at_;
  const char* const end = buffer_.data() + end_;
  const char* from = begin;
  if constexpr (std::endian::native == std::endian::little) {
    while (end - from >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, from, 8);
      const std::uint64_t found = bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_below(word, 0x20);
      if (found != 0) {
        return static_cast<std::size_t>(from - begin) + static_cast<std::size_t>(std::countr_zero(found)) / 8;
      }
      from += 8;
    }
  }
  while (from < end && *from != '"' && *from != '\\' && static_cast<unsigned char>(*from) >= 0x20U) {
    ++from;
  }
  return static_cast<std::size_t>(from - begin);
}

bool JsonFields::string_piece(std::span<const char>& piece) {
  if (!in_string_) {
    if (!value_pending_ || kind_ != JsonKind::string) {
      return false;
    }
    value_pending_ = false;
    begin_string();
    string_is_field_ = true;
  }
  if (at_ == end_) {
    refill();
  }
  if (at_ == end_) {
    throw TraceError(place(), "the text ends within {}, which begins at byte {}",
                     string_is_field_ ? field_name() : "a string", string_begin_);
  }
  const std::size_t run = plain_run();
  if (run > 0) {
    piece = std::span(buffer_).subspan(at_, run);
    at_ += run;
    return true;
  }
  if (buffer_[at_] == '"') {
    ++at_;
    in_string_ = false;
    return false;
  }
  if (buffer_[at_] != '\\') {
    fail("a string without control characters");
  }
  decode_escape();
  piece = std::span(escaped_).first(escaped_size_);
  return true;
}

void JsonFields::decode_escape() {
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  ++at_;
  const char c = peek();
  escaped_size_ = 0;
  if (const std::size_t letter = letters.find(c); letter != std::string_view::npos) {
    ++at_;
    escaped_[escaped_size_++] = meanings[letter];
    return;
  }
  if (c != 'u') {
    fail("an escape that JSON has");
  }
  ++at_;
  std::uint32_t code = hex_digits();
  constexpr std::uint32_t replacement = 0xfffdU;  // for half of a pair without the other
  if (code >= 0xd800U && code < 0xdc00U && peek() == '\\') {
    ++at_;
    if (peek() != 'u') {
      fail("the second half of a surrogate pair");
    }
    ++at_;
    const std::uint32_t low = hex_digits();
    const bool pair = low >= 0xdc00U && low < 0xe000U;
    code = pair ? 0x10000U + ((code - 0xd800U) << 10U) + (low - 0xdc00U) : replacement;
  } else if (code >= 0xd800U && code < 0xe000U) {
    code = replacement;
  }
  append_utf8(code, escaped_, escaped_size_);
}

std::uint32_t JsonFields::hex_digits() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::uint32_t out = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = peek();
    const std::size_t digit = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    if (digit == std::string_view::npos) {
      fail("four hexadecimal digits");
    }
    out = 16 * out + static_cast<std::uint32_t>(digit);
    ++at_;
  }
  return out;
}

std::string_view JsonFields::scalar() {
  scratch_.clear();
  // The end of the text ends a scalar as well: a document that is not closed says so itself.
  for (char c = peek_or_end(); is_scalar(c) && scratch_.size() < longest_scalar; c = peek_or_end()) {
    scratch_ += c;
    ++at_;
  }
  return scratch_;
}

void JsonFields::skip_value() {
  switch (kind_) {
    case JsonKind::string:
      begin_string();
      skip_string();
      return;
    case JsonKind::object:
    case JsonKind::array:
      skip_container();
      return;
    default:
      while (is_scalar(peek_or_end())) {
        ++at_;
      }
  }
}

void JsonFields::skip_string() {
  std::span<const char> piece;
  while (string_piece(piece)) {
  }
}

void JsonFields::skip_container() {
  scratch_.clear();  // the brackets that are to come
  do {
    const char c = peek();
    switch (c) {
      case '"':
        begin_string();
        skip_string();
        continue;
      case '{':
      case '[':
        if (scratch_.size() == deepest) {
          throw TraceError(place(), "is nested deeper than {}", deepest);
        }
        scratch_ += c == '{' ? '}' : ']';
        break;
      case '}':
      case ']':
        if (scratch_.back() != c) {
          fail(fmt::format("'{}'", scratch_.back()));
        }
        scratch_.pop_back();
        break;
      case '\n':
        ++line_;
        break;
      default:
        break;
    }
    ++at_;
  } while (!scratch_.empty());
}

// ---- Characters ----

void JsonFields::refill() {
  base_ += end_;
  at_ = 0;
  end_ = stream_->read_some(std::as_writable_bytes(std::span(buffer_)));
}

/// '\0' at the end of the text.
char JsonFields::peek_or_end() {
  if (at_ == end_) {
    refill();
  }
  return at_ == end_ ? '\0' : buffer_[at_];
}

char JsonFields::peek() {
  if (at_ == end_) {
    refill();
    if (at_ == end_) {
      throw TraceError(place(), "the text ends within a value");
    }
  }
  return buffer_[at_];
}

bool JsonFields::skip_space_to_end() {
  while (is_space(peek_or_end())) {
    line_ += buffer_[at_] == '\n' ? 1U : 0U;
    ++at_;
  }
  return at_ == end_;
}

void JsonFields::skip_space() {
  while (is_space(peek())) {
    line_ += buffer_[at_] == '\n' ? 1U : 0U;
    ++at_;
  }
}

void JsonFields::expect(char c) {
  if (peek() != c) {
    fail(fmt::format("'{}'", c));
  }
  ++at_;
}

void JsonFields::fail(std::string_view expected) {
  throw TraceError(place(), "expected {}, found '{}'", expected, printable({buffer_.data() + at_, 1}));
}

std::string JsonFields::place(std::uint64_t offset) const {
  return fmt::format("{}: line {}, byte {}", stream_->name(), line_, offset);
}

std::string JsonFields::name_of(std::size_t field) const {
  return joined(fields_[field]);
}

}  // namespace dsasim
