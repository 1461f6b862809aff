#pragma once

#include "dsasim/model/gpu.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Rows of --per-step for a picture: added up over requests, and over as many adjacent steps as leave at most
/// `most_columns` columns. The columns are equally wide, a power of two of steps.
class StepGrid {
 public:
  static constexpr std::size_t most_columns = 512;
  static constexpr std::uint32_t most_layers = 1024;

  /// A file that `replay --per-step` wrote. Throws ConfigError with file and line, SystemError if it cannot be read.
  static StepGrid read(const std::string& path);

  /// `where` is what errors call the rows.
  explicit StepGrid(std::string where);

  /// A row, without the line feed.
  void add(std::string_view row);

  struct Layer {
    std::uint32_t layer = 0;
    std::vector<std::array<std::uint64_t, most_columns>> cells;  ///< by measure
  };

  const std::string& where() const noexcept { return where_; }
  const std::vector<std::string>& measures() const noexcept { return measures_; }
  /// Not where a row had nothing: bytes that are not known.
  bool is_known(std::size_t measure) const { return known_[measure]; }
  std::uint64_t total(std::size_t measure) const { return totals_[measure]; }
  const std::vector<Layer>& layers() const noexcept { return layers_; }  ///< ascending
  std::uint64_t rows() const noexcept { return rows_; }
  std::uint64_t first_step() const noexcept { return first_step_; }
  std::uint64_t last_step() const noexcept { return last_step_; }
  std::uint64_t steps_per_column() const noexcept { return steps_per_column_; }
  std::size_t columns() const noexcept;

 private:
  Layer& layer_of(std::uint32_t layer);
  void double_columns();

  std::string where_;
  std::vector<std::string> measures_;
  std::vector<bool> known_;
  std::vector<std::uint64_t> totals_;
  std::vector<Layer> layers_;
  std::uint64_t rows_ = 0;
  std::uint64_t first_step_ = 0;
  std::uint64_t last_step_ = 0;
  std::uint64_t steps_per_column_ = 1;
};

/// What the page shows.
struct HtmlReport {
  struct Document {
    std::string name;  ///< what the page and errors call it: a path
    std::string text;  ///< JSON of a schema of html_schemas()
  };
  std::vector<Document> documents;
  std::vector<StepGrid> grids;  ///< each of the report whose totals are its sums
  std::vector<Gpu> gpus;  ///< whose last-level caches are drawn into curves; none: those of the documents, or an H200's
};

/// The schemas that have pictures.
std::vector<std::string_view> html_schemas();

/// One HTML page with pictures of the documents and all that they need: it loads nothing. The documents are in it to
/// the digit. Throws ConfigError for what is no document that has pictures, and for rows of no report among them.
std::string html_report(const HtmlReport& report);

}  // namespace dsasim
