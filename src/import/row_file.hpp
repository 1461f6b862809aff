#pragma once

#include "dsasim/import/import.hpp"
#include "dsasim/import/source.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dsasim {

/// One selection, as formats that name its request, step, layer and, perhaps, query give it.
struct SelectionRow {
  std::string request;
  std::uint64_t step = 0;
  std::uint32_t layer = 0;
  std::uint64_t query = 0;               ///< of the step's
  std::uint64_t accepted = 1;            ///< of the step's queries
  std::optional<std::uint64_t> context;  ///< positions that the query sees, its own included
  std::vector<std::int64_t> ids;
  std::vector<std::uint16_t> scores;  ///< one for each id, or none
};

/// Reads selections out of a file, in whatever order it has.
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// False at the end. Throws TraceError for what is no selection.
  virtual bool next(SelectionRow& row) = 0;
  /// Where the last row stands, for messages: "r.jsonl: line 17".
  virtual std::string place() const = 0;
};

/// What a reader reads of a file.
struct RowFormat {
  std::unique_ptr<RowReader> (*open)(const std::filesystem::path& path);
  bool has_scores = false;
  bool has_queries = false;              ///< rows name their query, and how many of their step's are accepted
  bool names_layers = false;             ///< the numbers of layers are the model's
  std::vector<std::string> unread = {};  ///< what else each row holds: names of columns or fields
  std::vector<LayerInfo> layers = {};    ///< those that own an index, if the file says; its rows are of all of them
  CaptureEntries entries = {};           ///< what the file says of all its ids
};

/// The requests of a file of rows, in the order of their first rows. Each needs one row for each of the file's layers
/// at each step from its first to its last; where rows name their query, one for each query of the step, and a step
/// without rows is a pause. The file is read twice; where its rows are not ordered by step, those that
/// come early are held in memory, up to a limit, beyond which TraceError says what is missing. `options` check what the
/// rows say.
std::unique_ptr<CaptureFile> row_file(const std::filesystem::path& path, const RowFormat& format,
                                      const ImportOptions& options);

}  // namespace dsasim
