#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// An option and the values that it takes, as texts.
struct GridAxis {
  std::string key;
  std::vector<std::string> values;
};

/// What a sweep varies: a JSON object whose keys are options, each a value or an array of values. The points are the
/// product of the values, the last key fastest, less those that have all the values of an object of "skip" (there an
/// array means any of its values). "columns" names the columns to write, for those who do not want all.
class Grid {
 public:
  static constexpr std::size_t most_points = 100'000;  ///< before "skip"

  /// `known` are the names of the options. Throws ConfigError for a key or a column that is not known, a value given
  /// twice, a rule that no point can meet, and a grid without points; SystemError if the file cannot be read.
  static Grid read(const std::string& path, std::span<const std::string> known,
                   std::span<const std::string> known_columns);
  static Grid parse(const std::string& where, std::string_view text, std::span<const std::string> known,
                    std::span<const std::string> known_columns);

  const std::string& where() const noexcept { return where_; }
  const std::vector<GridAxis>& axes() const noexcept { return axes_; }
  /// None: all.
  const std::vector<std::string>& columns() const noexcept { return columns_; }
  /// The rules, as JSON.
  const std::string& skip() const noexcept { return skip_; }

  std::size_t points() const noexcept { return places_.size(); }
  std::size_t skipped() const noexcept { return product_ - places_.size(); }
  /// The number of the point's value among those of the axis.
  std::size_t choice(std::size_t point, std::size_t axis) const noexcept {
    return places_[point] / strides_[axis] % axes_[axis].values.size();
  }
  const std::string& value(std::size_t point, std::size_t axis) const noexcept {
    return axes_[axis].values[choice(point, axis)];
  }

 private:
  std::string where_;
  std::vector<GridAxis> axes_;
  std::vector<std::string> columns_;
  std::string skip_ = "[]";
  std::size_t product_ = 1;
  std::vector<std::size_t> strides_;   ///< by axis: places between a value and the next
  std::vector<std::uint32_t> places_;  ///< of the points in the product
};

}  // namespace dsasim
