#pragma once

#include "dsasim/sweep/sweep.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace dsasim {

/// Of a table or its journal: the most points, ten thousand bytes a row, which no row has.
inline constexpr std::uint64_t max_table_bytes = 1'000'000'000;

/// How one point ended, and its cells of the table, or the reason why it has none.
struct PointOutcome {
  std::size_t point = 0;
  PointStatus status = PointStatus::ok;
  std::string text;
};

/// The file that finished points go to. A line is the XXH3-64 of its rest in hexadecimal, and
///
///     HASH dsasim-sweep-journal/2 IDENTITY
///     HASH POINT STATUS TEXT
///
/// the first line alone being of the first form. A last line that a kill or a full disk cut off is no line. Only one
/// process at a time has the file: it holds a lock (flock) on it.
class Journal {
 public:
  /// Opens or creates the file; `forget` leaves unread what an earlier start wrote. Throws ConfigError if another
  /// process has it, it is damaged, another version's or no journal; SystemError if it cannot be written.
  explicit Journal(std::string path, bool forget = false);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// Empty if the journal has not begun.
  const std::string& identity() const noexcept { return identity_; }
  /// The last outcome of each point.
  const std::map<std::size_t, PointOutcome>& outcomes() const noexcept { return outcomes_; }

  /// Begins anew.
  void begin(std::string identity);
  /// Returns when the outcomes are on the disk.
  void append(std::span<const PointOutcome> outcomes);

 private:
  void load(bool forget);
  void add_line(std::string_view content, std::size_t number);
  void write_durably(std::string_view lines);
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;  ///< of the whole lines
  std::string identity_;
  std::map<std::size_t, PointOutcome> outcomes_;
};

/// Puts a file in the place of `path`, or leaves what is there: a file beside it is written, goes to the disk, and
/// takes the name. Throws SystemError.
void replace_durably(const std::string& path, std::string_view text);

/// Sixteen hexadecimal digits.
std::string text_hash(std::string_view text);

}  // namespace dsasim
