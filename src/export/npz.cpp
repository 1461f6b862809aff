// A request as numpy's .npz: a zip archive of .npy members, written row by row, whatever the size of the arrays.

#include "dsasim/error.hpp"
#include "dsasim/export/export.hpp"
#include "dsasim/trace/partial_file.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace dsasim {
namespace {

/// The header of version 1.0, padded so that the data begins at a multiple of 64 bytes.
std::string npy_header(std::string_view descr, std::string_view shape) {
  std::string dictionary = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape);
  constexpr std::size_t before = 10;  // magic, version, length
  dictionary.append(63 - (before + dictionary.size()) % 64, ' ');
  dictionary += '\n';
  const auto length = static_cast<std::uint16_t>(dictionary.size());
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(length & 0xFFU);
  header += static_cast<char>(length >> 8U);
  return header + dictionary;
}

/// One array, produced as libzip asks for it: a header, then the steps of a request.
class NpyMember {
 public:
  enum class Content { ids, scores };

  NpyMember(const TraceReader& trace, std::uint32_t request, Content content)
      : trace_(trace), request_(request), content_(content) {}

  zip_source_t* source(zip_t* archive) { return ::zip_source_function(archive, &NpyMember::answer, this); }
  /// What went wrong inside a callback, which libzip cannot carry.
  std::exception_ptr failure() const { return failure_; }

 private:
  static zip_int64_t answer(void* self, void* data, zip_uint64_t bytes, zip_source_cmd_t command) {
    auto& member = *static_cast<NpyMember*>(self);
    switch (command) {
      case ZIP_SOURCE_OPEN:
        return member.guarded([&] { return member.open(); });
      case ZIP_SOURCE_READ:
        return member.guarded([&] { return member.read(static_cast<char*>(data), bytes); });
      case ZIP_SOURCE_CLOSE:
      case ZIP_SOURCE_FREE:
        return 0;
      case ZIP_SOURCE_STAT:
        ::zip_stat_init(static_cast<zip_stat_t*>(data));
        return sizeof(zip_stat_t);
      case ZIP_SOURCE_ERROR: {
        const std::array<int, 2> error{ZIP_ER_READ, 0};
        std::memcpy(data, error.data(), sizeof error);
        return sizeof error;
      }
      case ZIP_SOURCE_SUPPORTS:
        return ::zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                                ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
      default:
        return -1;
    }
  }

  template <class Action>
  zip_int64_t guarded(Action&& action) {
    try {
      return action();
    } catch (...) {
      failure_ = std::current_exception();
      return -1;
    }
  }

  zip_int64_t open() {
    const std::uint64_t steps = trace_.extent(request_).steps;
    cursor_.emplace(trace_, request_, 0, steps);
    const std::string queries = trace_.header().has_queries ? fmt::format("{}, ", trace_.most_queries()) : "";
    pending_ =
        npy_header(content_ == Content::ids ? "<i4" : "<f2",
                   fmt::format("({}, {}{}, {})", steps, queries, trace_.layer_count(), trace_.longest_selection()));
    at_ = 0;
    return 0;
  }

  zip_int64_t read(char* data, zip_uint64_t bytes) {
    zip_uint64_t given = 0;
    while (given < bytes) {
      if (at_ == pending_.size() && !next_step()) {
        break;
      }
      const std::size_t count = std::min<std::size_t>(bytes - given, pending_.size() - at_);
      std::memcpy(data + given, pending_.data() + at_, count);
      given += count;
      at_ += count;
    }
    return static_cast<zip_int64_t>(given);
  }

  bool next_step() {
    if (!cursor_->next()) {
      return false;
    }
    pending_.clear();
    at_ = 0;
    for (std::uint32_t query = 0; query < trace_.most_queries(); ++query) {
      append_query(query);
    }
    return true;
  }

  /// Padding where the step has not so many.
  void append_query(std::uint32_t query) {
    for (std::uint32_t layer = 0; layer < trace_.layer_count(); ++layer) {
      const SelectionView selection =
          query < cursor_->queries().queries ? cursor_->selection_of(query, layer) : SelectionView{};
      for (std::uint32_t i = 0; i < trace_.longest_selection(); ++i) {
        const bool padded = i >= selection.size;
        if (content_ == Content::ids) {
          append(padded ? 0xFFFFFFFF : value(selection.ids[i]), 4);
        } else {
          append(padded ? 0 : selection.scores[i], 2);
        }
      }
    }
  }

  void append(std::uint32_t bits, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
      pending_.push_back(static_cast<char>(bits >> (8 * i) & 0xFFU));
    }
  }

  const TraceReader& trace_;
  std::uint32_t request_;
  Content content_;
  std::optional<RequestCursor> cursor_;
  std::string pending_;
  std::size_t at_ = 0;
  std::exception_ptr failure_;
};

/// An archive being written; nothing is left of it unless it is closed.
class ZipWriter {
 public:
  /// `name` is what errors call it.
  ZipWriter(const std::filesystem::path& path, std::string name) : name_(std::move(name)) {
    int error = 0;
    archive_ = ::zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
    if (archive_ == nullptr) {
      zip_error_t text;
      ::zip_error_init_with_code(&text, error);
      const std::string message = ::zip_error_strerror(&text);
      ::zip_error_fini(&text);
      throw SystemError(name_, "cannot be created: {}", message);
    }
  }
  ~ZipWriter() {
    if (archive_ != nullptr) {
      ::zip_discard(archive_);
    }
  }
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;

  zip_t* archive() const noexcept { return archive_; }

  void add(const std::string& name, zip_source_t* source) {
    const zip_int64_t index = source == nullptr ? -1 : ::zip_file_add(archive_, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      ::zip_source_free(source);
      fail();
    }
    // The same content is the same bytes: every member is of 1980-01-01, the first day that a zip archive knows.
    constexpr zip_uint16_t first_day = 1U << 5U | 1U;
    if (::zip_file_set_dostime(archive_, static_cast<zip_uint64_t>(index), 0, first_day, 0) < 0) {
      fail();
    }
  }
  void add_number(const std::string& name, std::uint64_t number) { add_numbers(name, "()", {number}); }
  void add_list(const std::string& name, const std::vector<std::uint64_t>& numbers) {
    add_numbers(name, fmt::format("({},)", numbers.size()), numbers);
  }
  /// Writes it all: until now, nothing was read.
  bool close() {
    if (::zip_close(archive_) != 0) {
      return false;
    }
    archive_ = nullptr;
    return true;
  }
  [[noreturn]] void fail() const { throw SystemError(name_, "cannot be written: {}", ::zip_strerror(archive_)); }

 private:
  void add_numbers(const std::string& name, std::string_view shape, const std::vector<std::uint64_t>& numbers) {
    std::string& bytes = members_.emplace_back(npy_header("<i8", shape));
    for (const std::uint64_t number : numbers) {
      for (unsigned i = 0; i < 8; ++i) {
        bytes.push_back(static_cast<char>(number >> (8 * i) & 0xFFU));
      }
    }
    add(name, ::zip_source_buffer(archive_, bytes.data(), bytes.size(), 0));
  }

  std::string name_;
  zip_t* archive_ = nullptr;
  std::deque<std::string> members_;  ///< never moved: libzip keeps pointers to the bytes
};

void add_stores(ZipWriter& zip, const TraceHeader& header) {
  if (header.stores.empty()) {
    return;
  }
  std::vector<std::uint64_t> owners;
  std::vector<std::uint64_t> rows;
  std::vector<std::uint64_t> units;
  std::vector<std::uint64_t> bytes;
  for (const StoreInfo& store : header.stores) {
    owners.push_back(store.kv_owner);
    rows.push_back(store.kv_rows);
    units.push_back(store.unit_tokens);
    bytes.push_back(store.entry_bytes);
  }
  zip.add_list("kv_owners.npy", owners);
  zip.add_list("kv_rows.npy", rows);
  zip.add_list("kv_unit_tokens.npy", units);
  zip.add_list("kv_entry_bytes.npy", bytes);
}

/// What the trace says that is not in the ids: import takes it back.
void add_header(ZipWriter& zip, const TraceReader& trace, std::uint32_t request) {
  const TraceHeader& header = trace.header();
  zip.add_number("prompt_len.npy", header.requests[request].prompt_tokens);
  zip.add_number("output_len.npy", trace.extent(request).steps);
  zip.add_number("start_step.npy", header.requests[request].start_step);
  zip.add_number("unit_tokens.npy", header.unit_tokens);
  zip.add_number("ids_are_slots.npy", header.ids == IdKind::physical ? 1 : 0);
  if (header.page_tokens != 0) {
    zip.add_number("page_tokens.npy", header.page_tokens);
  }
  if (header.entry_bytes != 0) {
    zip.add_number("entry_bytes.npy", header.entry_bytes);
  }
  std::vector<std::uint64_t> layers;
  std::vector<std::uint64_t> sizes;
  for (const LayerInfo& layer : header.layers) {
    layers.push_back(layer.model_layer);
    sizes.push_back(layer.group_size);
  }
  zip.add_list("model_layers.npy", layers);
  zip.add_list("group_sizes.npy", sizes);
  if (header.has_queries) {
    std::vector<std::uint64_t> queries;
    std::vector<std::uint64_t> accepted;
    for (std::uint64_t step = 0; step < trace.extent(request).steps; ++step) {
      queries.push_back(trace.queries(request, step).queries);
      accepted.push_back(trace.queries(request, step).accepted);
    }
    zip.add_list("queries.npy", queries);
    zip.add_list("accepted.npy", accepted);
  }
  add_stores(zip, header);
}

}  // namespace

void export_npz(const TraceReader& trace, std::uint32_t request, const std::filesystem::path& path) {
  NpyMember ids(trace, request, NpyMember::Content::ids);
  NpyMember scores(trace, request, NpyMember::Content::scores);
  PartialFile partial(path);
  if (partial.in_place()) {
    throw SystemError(path.string(), "not a regular file");  // libzip renames, which must not happen to /dev/null
  }
  ZipWriter zip(partial.path(), path.string());
  zip.add("topk_indices.npy", ids.source(zip.archive()));
  add_header(zip, trace, request);
  if (trace.header().has_scores) {
    zip.add("topk_scores.npy", scores.source(zip.archive()));
  }
  if (!zip.close()) {
    for (const NpyMember* member : {&ids, &scores}) {
      if (member->failure()) {
        std::rethrow_exception(member->failure());
      }
    }
    zip.fail();
  }
  partial.keep();
}

}  // namespace dsasim
