// Format "jsonl": one JSON object for each (request, layer, step), as hooks in a model write them:
//
//   request_id           text or a whole number
//   layer_id             the layer's number in the model
//   step_idx             decode step; a request's first need not be 0
//   seq_len_current      positions that the query sees, its own included
//   selected_token_pos   the selection; negative numbers are padding
//   scores               a number for each of the selection, in all objects or in none
//   query, accepted      where steps have several queries or requests pause, in all objects: which query of the step it
//                        is, from 0, and how many of the step's are accepted
//
// What else an object holds is told to the user. Nothing depends on the lines: objects may be pretty-printed, or in a
// list.
#include "byte_source.hpp"
#include "dsasim/error.hpp"
#include "float16.hpp"
#include "formats.hpp"
#include "json_fields.hpp"
#include "row_file.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace dsasim {
namespace {

constexpr std::size_t longest_request_id = 256;
constexpr std::string_view positions_key = "selected_token_pos";

enum Field : std::uint8_t { request, layer, step, context, positions, scores, query, accepted, field_count };
constexpr std::array<std::string_view, field_count> field_names{
    "request_id", "layer_id", "step_idx", "seq_len_current", positions_key, "scores", "query", "accepted"};

std::vector<JsonFields::Path> fields() {
  std::vector<JsonFields::Path> out(field_names.size());
  std::transform(field_names.begin(), field_names.end(), out.begin(),
                 [](std::string_view name) { return JsonFields::Path{name}; });
  return out;
}

class JsonRows final : public RowReader {
 public:
  explicit JsonRows(const std::filesystem::path& path) : json_(path, fields()) {}

  bool next(SelectionRow& row) override {
    std::array<bool, field_count> seen{};
    for (auto event = json_.next(); event != JsonFields::Event::end; event = json_.next()) {
      if (event == JsonFields::Event::end_of_document) {
        finish(row, seen);
        return true;
      }
      read_field(row, seen);
    }
    return false;
  }

  std::string place() const override { return json_.place(); }
  bool has_scores() const noexcept { return has_scores_.value_or(false); }
  bool has_queries() const noexcept { return has_queries_.value_or(false); }
  std::vector<std::string> unread() const {
    std::vector<std::string> out;
    std::transform(json_.unread().begin(), json_.unread().end(), std::back_inserter(out), printable);
    return out;
  }

 private:
  void read_field(SelectionRow& row, std::array<bool, field_count>& seen) {
    bool& known = seen.at(json_.field());
    if (known) {
      throw TraceError(json_.place(), "{} is there twice", json_.field_name());
    }
    known = true;
    switch (json_.field()) {
      case request:
        row.request = json_.kind() == JsonKind::number ? std::to_string(json_.unsigned_number()) : request_text();
        return;
      case layer:
        row.layer = static_cast<std::uint32_t>(number());
        return;
      case step:
        row.step = number();
        return;
      case context:
        row.context = number();
        return;
      case positions:
        json_.integers(row.ids);
        return;
      case query:
        row.query = number();
        return;
      case accepted:
        row.accepted = number();
        return;
      default:
        json_.numbers(scores_);
    }
  }

  std::string request_text() {
    std::string text = json_.text(longest_request_id + 1);
    if (text.size() > longest_request_id) {
      throw TraceError(json_.place(), "request_id is longer than {} bytes", longest_request_id);
    }
    return text;
  }

  std::uint64_t number() {
    const std::uint64_t found = json_.unsigned_number();
    if (found >= max_entry_ids) {
      throw TraceError(json_.place(), "{} is {}, expected a number below {}", json_.field_name(), found, max_entry_ids);
    }
    return found;
  }

  void finish(SelectionRow& row, const std::array<bool, field_count>& seen) {
    has_scores_ = has_scores_.value_or(seen[scores]);
    has_queries_ = has_queries_.value_or(seen[query] || seen[accepted]);
    for (std::size_t i = 0; i < field_names.size(); ++i) {
      const bool is_wanted = i == scores ? *has_scores_ : i != query && i != accepted ? true : *has_queries_;
      if (!seen.at(i) && is_wanted) {
        throw TraceError(json_.place(), "the object that ends here has no {}", field_names.at(i));
      }
    }
    if ((seen[query] || seen[accepted]) && !*has_queries_) {
      throw TraceError(json_.place(), "the object that ends here has a query, those before it have none");
    }
    if (seen[scores] && !*has_scores_) {
      throw TraceError(json_.place(), "the object that ends here has scores, those before it have none");
    }
    if (seen[scores] && scores_.size() != row.ids.size()) {
      throw TraceError(json_.place(), "the object that ends here has {} scores of {} positions", scores_.size(),
                       row.ids.size());
    }
    row.scores.clear();
    if (seen[scores]) {
      std::transform(scores_.begin(), scores_.end(), std::back_inserter(row.scores), float16_from);
    }
  }

  JsonFields json_;
  std::optional<bool> has_scores_;   ///< as the first object
  std::optional<bool> has_queries_;  ///< likewise
  std::vector<double> scores_;
};

std::unique_ptr<CaptureFile> open_jsonl(const std::filesystem::path& path, const ImportOptions& options) {
  JsonRows start(path);
  SelectionRow row;
  for (int rows = 0; rows < 64 && start.next(row); ++rows) {
  }
  return row_file(path,
                  {.open = [](const std::filesystem::path& file) -> std::unique_ptr<RowReader> {
                     return std::make_unique<JsonRows>(file);
                   },
                   .has_scores = start.has_scores(),
                   .has_queries = start.has_queries(),
                   .names_layers = true,
                   .unread = start.unread()},
                  options);
}

}  // namespace

ImportFormat jsonl_format() {
  return {.name = "jsonl",
          .description = "one JSON object for each request, layer and step: request_id, selected_token_pos, ...",
          .recognises = [](const CaptureStart& start) { return start.json_key == positions_key; },
          .open = open_jsonl,
          .names_steps = true,
          .json_key = positions_key};
}

}  // namespace dsasim
