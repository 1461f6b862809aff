// The header of a .npy array: the few forms of Python literals that numpy writes there, and no others.
#include "npy_header.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <system_error>

namespace dsasim {
namespace {

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

NpyType parse_descr(std::string descr) {
  NpyType type{.kind = '?', .size = 0, .big_endian = false, .descr = std::move(descr)};
  const std::string_view text = type.descr;
  if (text.starts_with('[')) {
    type.kind = 'V';
    return type;
  }
  if (text.size() < 2 || std::string_view("<>|").find(text[0]) == std::string_view::npos) {
    return type;
  }
  std::size_t size = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + 2, end, size);
  if (error == std::errc::result_out_of_range || (text.size() > 2 && stop != end)) {
    return type;
  }
  // '|' says that the order of bytes does not matter, which is true of single bytes only.
  if (text[0] == '|' && size > 1 && std::string_view("iuf").find(text[1]) != std::string_view::npos) {
    return type;
  }
  type.kind = text[1];
  type.size = size;
  type.big_endian = text[0] == '>';
  return type;
}

class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      read_item();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ < text_.size()) {
      fail("the end");
    }
    return finished();
  }

 private:
  void read_item() {
    skip_space();
    const std::string key = string();
    expect(':');
    skip_space();
    if (key == "descr") {
      once(key, type_.has_value());
      type_ = parse_descr(descr());
    } else if (key == "fortran_order") {
      once(key, fortran_order_.has_value());
      fortran_order_ = boolean();
    } else if (key == "shape") {
      once(key, shape_.has_value());
      shape_ = tuple();
    } else {
      throw TraceError(where_, "header: unknown key '{}'; known: descr, fortran_order, shape", printable(key));
    }
  }

  NpyHeader finished() {
    const char* const missing = !type_ ? "descr" : !fortran_order_ ? "fortran_order" : !shape_ ? "shape" : nullptr;
    if (missing != nullptr) {
      throw TraceError(where_, "header: missing key '{}'", missing);
    }
    return {.type = std::move(*type_), .fortran_order = *fortran_order_, .shape = std::move(*shape_)};
  }

  void once(std::string_view key, bool seen) const {
    if (seen) {
      throw TraceError(where_, "header: duplicate key '{}'", key);
    }
  }

  /// A structured type is a list of pairs; its text is kept for nobody but messages.
  std::string descr() {
    if (at_ == text_.size() || text_[at_] != '[') {
      return string();
    }
    const std::size_t begin = at_;
    std::size_t open = 0;
    do {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      if (c == '\'' || c == '"') {
        static_cast<void>(string());
        continue;
      }
      if (c == '\0') {
        fail("']'");
      }
      open += c == '[' ? 1U : 0U;
      open -= c == ']' ? 1U : 0U;
      ++at_;
    } while (open > 0);
    return std::string(text_.substr(begin, at_ - begin));
  }

  /// Names and types need no escapes, so that a backslash is as wrong as an open quote.
  std::string string() {
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') {
      fail("a quoted string");
    }
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) {
      throw TraceError(where_, "header: a string is not closed");
    }
    std::string out(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return out;
  }

  bool boolean() {
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("True or False");
  }

  /// "()", "(3,)", "(3, 4)"; "(3)" is a number to Python and no shape.
  std::vector<std::uint64_t> tuple() {
    std::vector<std::uint64_t> out;
    bool comma = true;
    expect('(');
    while (!accept(')')) {
      if (!comma) {
        fail("','");
      }
      out.push_back(number());
      comma = accept(',');
    }
    if (out.size() == 1 && !comma) {
      throw TraceError(where_, "header: shape ({}) is a number, expected a tuple", out.front());
    }
    return out;
  }

  std::uint64_t number() {
    skip_space();
    const std::string_view rest = text_.substr(at_);
    std::size_t length = 0;
    while (length < rest.size() && is_digit(rest[length])) {
      ++length;
    }
    if (length == 0) {
      fail("a number");
    }
    std::uint64_t out = 0;
    if (std::from_chars(rest.data(), rest.data() + length, out).ec != std::errc()) {
      throw TraceError(where_, "header: {} in the shape does not fit 64 bits", printable(rest.substr(0, length)));
    }
    at_ += length;
    return out;
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n\f").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }

  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) {
      return false;
    }
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) {
      fail(fmt::format("'{}'", c));
    }
  }

  [[noreturn]] void fail(std::string_view expected) const {
    const std::string found =
        at_ == text_.size() ? "its end" : fmt::format("'{}' at byte {}", printable(text_.substr(at_, 1)), at_);
    throw TraceError(where_, "header: expected {}, found {}", expected, found);
  }

  std::string_view text_;
  std::string_view where_;
  std::size_t at_ = 0;
  std::optional<NpyType> type_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::uint64_t>> shape_;
};

}  // namespace

bool NpyType::is_integer() const noexcept {
  return (kind == 'i' || kind == 'u') && (size == 1 || size == 2 || size == 4 || size == 8);
}

std::string NpyType::name() const {
  switch (kind) {
    case 'i':
      return fmt::format("int{}", 8 * size);
    case 'u':
      return fmt::format("uint{}", 8 * size);
    case 'f':
      return fmt::format("float{}", 8 * size);
    case 'c':
      return fmt::format("complex{}", 8 * size);
    case 'b':
      return "bool";
    case 'O':
      return "object";
    case 'V':
      return "structured";
    default:
      return fmt::format("'{}'", printable(descr));
  }
}

std::string NpyHeader::shape_text() const {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

NpyHeader parse_npy_header(std::string_view text, std::string_view where) {
  return HeaderParser(text, where).parse();
}

}  // namespace dsasim
