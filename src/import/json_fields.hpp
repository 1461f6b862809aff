#pragma once

#include "text_stream.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

enum class JsonKind : std::uint8_t { object, array, string, number, null, boolean };

/// Walks through JSON of any size and stops at the fields that it was told of. The text is one object, a list of
/// objects, or objects and lists of them one after another (JSON lines among them); each object, wherever it stands,
/// is a *document*. Memory is one buffer: strings are read a piece at a time.
///
/// Text and structure are checked as far as they are looked at: between the fields, brackets must match and strings
/// must end, but no comma is missed. Throws TraceError, naming line and byte.
class JsonFields {
 public:
  /// The way from a document to a field: keys, and "[]" for the elements of a list.
  using Path = std::vector<std::string_view>;
  enum class Event : std::uint8_t { field, end_of_document, end };

  /// At most 63 fields. Where one lies within another, an object or a list is the way to it, and no field.
  JsonFields(const std::filesystem::path& file, std::vector<Path> fields);

  /// The next event. The value of a field that was not read is passed over.
  Event next();

  // After Event::field:
  std::size_t field() const noexcept { return field_; }  ///< its index in the list
  JsonKind kind() const noexcept { return kind_; }
  /// A whole number from 0; anything else is an error.
  std::uint64_t unsigned_number();
  /// A string, cut after `most` bytes.
  std::string text(std::size_t most);
  /// A list of whole numbers below 2^31 or negative ones, appended to nothing: `out` is replaced.
  void integers(std::vector<std::int64_t>& out);
  /// A list of numbers, appended to nothing: `out` is replaced.
  void numbers(std::vector<double>& out);
  /// The number of elements of a list of numbers.
  std::uint64_t count_numbers();
  /// The next piece of a string, as it is after escapes; false at its end. Valid until the next call.
  bool string_piece(std::span<const char>& piece);
  /// Throws unless the value has this kind.
  void require(JsonKind kind) const;

  /// The index of the list element that the field is or lies in.
  std::uint64_t element() const noexcept { return element_; }
  std::uint64_t documents() const noexcept { return documents_; }  ///< begun so far
  /// Names beside the fields that lead to none, in the first documents, ascending: "rank", "meta_info.id".
  const std::set<std::string>& unread() const noexcept { return unread_; }
  std::uint64_t offset() const noexcept { return base_ + at_; }  ///< bytes consumed
  /// "r.json: line 1, byte 812": for messages about what was just read, or about the byte `offset` on this line.
  std::string place() const { return place(offset()); }
  std::string place(std::uint64_t offset) const;
  /// "meta_info.indexer_topk"
  std::string field_name() const { return name_of(field_); }

 private:
  struct Frame {
    bool is_array = false;
    bool is_document = false;
    bool started = false;          ///< something stood in it, so that a comma comes next
    std::uint64_t candidates = 0;  ///< fields whose paths lead through it
    std::uint32_t depth = 0;       ///< steps from the document to it
  };

  bool next_document();
  bool next_member(Frame& frame);
  bool begin_value(Frame& frame, std::string_view step);
  void note_unread(const Frame& frame, std::string_view key);
  void read_key(std::string& key);

  JsonKind peek_kind();
  void begin_string();
  void skip_value();
  void skip_container();
  void skip_string();
  std::string_view scalar();
  void decode_escape();
  std::uint32_t hex_digits();
  std::int64_t integer();
  std::size_t plain_run() const noexcept;

  char peek();
  char peek_or_end();
  void refill();
  void skip_space();
  bool skip_space_to_end();
  void expect(char c);
  [[noreturn]] void fail(std::string_view expected);
  std::string name_of(std::size_t field) const;

  std::unique_ptr<TextStream> stream_;
  std::vector<Path> fields_;
  std::vector<Frame> frames_;

  std::size_t field_ = 0;
  JsonKind kind_ = JsonKind::null;
  bool value_pending_ = false;  ///< a field's value was not read
  bool in_string_ = false;      ///< a string was begun and not ended
  bool string_is_field_ = false;
  std::uint64_t string_begin_ = 0;
  std::uint64_t element_ = 0;
  std::uint64_t documents_ = 0;

  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::uint64_t base_ = 0;  ///< bytes before the buffer
  std::uint64_t line_ = 1;
  std::array<char, 8> escaped_{};  ///< what an escape stands for
  std::size_t escaped_size_ = 0;
  std::string scratch_;
  std::set<std::string> unread_;
};

}  // namespace dsasim
