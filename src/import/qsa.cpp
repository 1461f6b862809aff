// Format "qsa": JSON lines that a port of Qwen's sparse attention writes, an object for each query and layer:
//
//   rank                 of the server's GPUs; 0 if it is missing
//   forward_mode         decode; the rows of other forwards are those of the prompt, and dropped
//   layer_id             the layer's number in the model
//   position             of the query
//   compressed_length    whole blocks of the context
//   block_indices        the selection; negative numbers are padding
//
// Nothing names the request: one begins where the position is neither that of the row before, of the same rank, nor the
// next. Each rank is a request of its own.
#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "formats.hpp"
#include "json_fields.hpp"
#include "row_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <map>

namespace dsasim {
namespace {

constexpr std::string_view blocks_key = "block_indices";

enum Field : std::uint8_t { rank, mode, layer, position, length, blocks, graph, field_count };
constexpr std::array<std::string_view, field_count> field_names{
    "rank", "forward_mode", "layer_id", "position", "compressed_length", blocks_key, "cuda_graph"};

std::vector<JsonFields::Path> fields() {
  std::vector<JsonFields::Path> out(field_names.size());
  std::transform(field_names.begin(), field_names.end(), out.begin(),
                 [](std::string_view name) { return JsonFields::Path{name}; });
  return out;
}

/// The units that agree with all rows seen so far: the position is in block number compressed_length, or in the first
/// behind it.
struct Units {
  std::uint64_t least = 1;
  std::uint64_t most = TraceHeader::max_unit_tokens;

  /// floor(tokens / unit) = length
  void add(std::uint64_t tokens, std::uint64_t whole_blocks) {
    least = std::max(least, tokens / (whole_blocks + 1) + 1);
    most = whole_blocks == 0 ? most : std::min(most, tokens / whole_blocks);
  }
};

class QsaRows final : public RowReader {
 public:
  explicit QsaRows(const std::filesystem::path& path) : json_(path, fields()) {}

  bool next(SelectionRow& row) override {
    Row found;
    for (auto event = json_.next(); event != JsonFields::Event::end; event = json_.next()) {
      if (event == JsonFields::Event::field) {
        read_field(found, row.ids);
        continue;
      }
      if (finish(found, row)) {
        return true;
      }
      found = {};
    }
    return false;
  }

  std::string place() const override { return json_.place(); }
  const Units& units() const noexcept { return units_; }
  std::vector<std::string> unread() const {
    std::vector<std::string> out;
    std::transform(json_.unread().begin(), json_.unread().end(), std::back_inserter(out), printable);
    return out;
  }

 private:
  struct Row {
    std::array<bool, field_count> seen{};
    std::array<std::uint64_t, field_count> number{};
    std::string mode;
  };

  /// A request of a rank, while its rows go by.
  struct Stream {
    std::uint64_t number = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };

  void read_field(Row& row, std::vector<std::int64_t>& ids) {
    const std::size_t field = json_.field();
    if (row.seen.at(field)) {
      throw TraceError(json_.place(), "{} is there twice", json_.field_name());
    }
    row.seen.at(field) = true;
    if (field == mode) {
      row.mode = json_.text(longest_mode);
      std::transform(row.mode.begin(), row.mode.end(), row.mode.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    } else if (field == blocks) {
      json_.integers(ids);
    } else if (field != graph) {
      row.number.at(field) = json_.unsigned_number();
      if (row.number.at(field) >= max_entry_ids) {
        throw TraceError(json_.place(), "{} is {}, expected a number below {}", json_.field_name(),
                         row.number.at(field), max_entry_ids);
      }
    }
  }

  /// False for a row that is no decode step's.
  bool finish(const Row& found, SelectionRow& row) {
    for (const Field needed : {mode, layer, position, length, blocks}) {
      if (!found.seen.at(needed)) {
        throw TraceError(json_.place(), "the object that ends here has no {}", field_names.at(needed));
      }
    }
    if (found.mode.find("verify") != std::string::npos) {
      throw TraceError(json_.place(),
                       "forward_mode is {}: several queries a step, and no field says how many of them are accepted",
                       printable(found.mode));
    }
    if (found.mode.find("decode") == std::string::npos) {
      return false;
    }
    const std::uint64_t tokens = found.number.at(position) + 1;
    units_.add(tokens, found.number.at(length));
    if (units_.least > units_.most) {
      throw TraceError(json_.place(),
                       "a position of {} has {} blocks (compressed_length): with the rows before, no number of tokens "
                       "for a block fits",
                       tokens - 1, found.number.at(length));
    }
    const Stream& stream = stream_of(found.number.at(rank), found.number.at(position));
    row.request = fmt::format("rank {}, request {}", found.number.at(rank), stream.number);
    row.step = found.number.at(position) - stream.first;
    row.layer = static_cast<std::uint32_t>(found.number.at(layer));
    row.context = tokens;
    row.scores.clear();
    return true;
  }

  const Stream& stream_of(std::uint64_t of_rank, std::uint64_t at) {
    const auto [found, is_new] = streams_.try_emplace(of_rank, Stream{.number = 0, .first = at, .last = at});
    Stream& stream = found->second;
    if (!is_new && at != stream.last && at != stream.last + 1) {
      stream = {.number = stream.number + 1, .first = at, .last = at};
    }
    stream.last = at;
    return stream;
  }

  static constexpr std::size_t longest_mode = 64;

  JsonFields json_;
  std::map<std::uint64_t, Stream> streams_;  ///< by rank
  Units units_;
};

std::unique_ptr<CaptureFile> open_qsa(const std::filesystem::path& path, const ImportOptions& options) {
  QsaRows all(path);
  SelectionRow row;
  while (all.next(row)) {
  }
  CaptureEntries entries;
  if (all.units().least == all.units().most) {  // contexts of fewer blocks than a block's tokens leave it open
    entries.unit_tokens = static_cast<std::uint32_t>(all.units().least);
  }
  return row_file(path,
                  {.open = [](const std::filesystem::path& file) -> std::unique_ptr<RowReader> {
                     return std::make_unique<QsaRows>(file);
                   },
                   .names_layers = true,
                   .unread = all.unread(),
                   .entries = entries},
                  options);
}

}  // namespace

ImportFormat qsa_format() {
  return {.name = "qsa",
          .description = "one JSON object for each query and layer of Qwen's sparse attention: position, block_indices",
          .recognises = [](const CaptureStart& start) { return start.json_key == blocks_key; },
          .open = open_qsa,
          .names_steps = true,
          .json_key = blocks_key};
}

}  // namespace dsasim
