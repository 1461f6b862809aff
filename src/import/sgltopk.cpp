// Format "sgltopk": the log that SGLang writes of its decode forwards (SGLANG_INDEXER_TOPK_LOG_DIR), one file a rank.
// Little-endian:
//
//   "SGLTOPK1", uint32 length, a JSON object of so many bytes: version 1, topk, num_model_layers, layer_ids (those that
//   compute an index), ids_are_token_positions
//   then for each forward: uint64 counter, uint32 requests, uint32 bytes of the payload; for each request uint64 hash
//   of its id, uint32 sequence length; the payload, zlib of int32 (requests, layers, top-k), each row sorted, each id
//   but the first as the difference to the one before
//
// A request is in the forwards at which it decodes; the sequence length counts the query.
#include "byte_source.hpp"
#include "config/json_document.hpp"
#include "dsasim/error.hpp"
#include "formats.hpp"
#include "row_file.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>

namespace dsasim {
namespace {

constexpr std::string_view magic = "SGLTOPK1";
constexpr std::uint64_t longest_header = std::uint64_t{1} << 20U;
constexpr std::uint64_t most_row_ids = std::uint64_t{1} << 24U;

bool has_magic(std::span<const unsigned char> bytes) {
  return starts_with(bytes, magic);
}

/// What the JSON object says.
struct LogHeader {
  std::size_t top_k = 0;
  std::vector<LayerInfo> layers;  ///< with the layers behind each that reuse its index
  bool ids_are_positions = true;
};

std::uint64_t number_of(const nlohmann::json& header, const std::string& name, const char* key, std::uint64_t least,
                        std::uint64_t most) {
  const auto found = header.find(key);
  if (found == header.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() < least ||
      found->get<std::uint64_t>() > most) {
    throw TraceError(name, "its header's {} is {}, expected a number from {} to {}", key,
                     found == header.end() ? "missing" : printable(found->dump()), least, most);
  }
  return found->get<std::uint64_t>();
}

std::vector<LayerInfo> layers_of(const nlohmann::json& header, const std::string& name) {
  const std::uint64_t count = number_of(header, name, "num_model_layers", 1, TraceHeader::max_layers - 1);
  const auto ids = header.find("layer_ids");
  if (ids == header.end() || !ids->is_array() || ids->empty()) {
    throw TraceError(name, "its header has no layer_ids, a list of numbers of layers");
  }
  std::vector<LayerInfo> layers;
  for (const nlohmann::json& id : *ids) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= count ||
        (!layers.empty() && id.get<std::uint64_t>() <= layers.back().model_layer)) {
      throw TraceError(name, "its header's layer_ids has {}, expected ascending numbers below {}", printable(id.dump()),
                       count);
    }
    const auto layer = id.get<std::uint32_t>();
    if (!layers.empty()) {
      layers.back().group_size = layer - layers.back().model_layer;
    }
    layers.push_back({.model_layer = layer, .group_size = static_cast<std::uint32_t>(count) - layer});
  }
  return layers;
}

LogHeader header_of(const std::string& name, std::string_view text) {
  const auto header = parse_document<nlohmann::json>(name, text, /*most_keys=*/256);
  if (!header.is_object()) {
    throw TraceError(name, "its header is no JSON object");
  }
  if (const std::uint64_t version = number_of(header, name, "version", 0, ~0U); version != 1) {
    throw TraceError(name, "its header says version {}, expected 1", version);
  }
  LogHeader out{.top_k = number_of(header, name, "topk", 1, most_row_ids), .layers = layers_of(header, name)};
  const auto positions = header.find("ids_are_token_positions");
  if (positions == header.end() || !positions->is_boolean()) {
    throw TraceError(name, "its header does not say by ids_are_token_positions, true or false, what ids are");
  }
  out.ids_are_positions = positions->get<bool>();
  return out;
}

struct LoggedRequest {
  std::uint64_t hash = 0;
  std::uint32_t length = 0;
};

/// Reads a log forward by forward; the rows of one that was not read are passed over.
class LogFile {
 public:
  explicit LogFile(const std::filesystem::path& path) : file_(open_file(path)), left_(file_->size()) {
    std::array<char, magic.size()> found{};
    take(found, "the magic number");
    std::array<char, sizeof(std::uint32_t)> length{};
    take(length, "the header's length");
    const auto bytes = std::uint64_t{integer<std::uint32_t>(length, 0)};
    if (bytes > longest_header) {
      throw TraceError(name(), "its header has {} bytes, expected at most {}", bytes, longest_header);
    }
    require(bytes, "the header");
    std::string text(bytes, '\0');
    take(text, "the header");
    header_ = header_of(name(), text);
  }
  ~LogFile() { static_cast<void>(inflateEnd(&state_)); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  const std::string& name() const { return file_->name(); }
  const LogHeader& header() const noexcept { return header_; }

  /// The next forward's head; false at the end.
  bool next() {
    pass_over();
    if (left_ == 0) {
      return false;
    }
    std::array<char, forward_bytes> head{};
    take(head, "a forward's head");
    forward_ = integer<std::uint64_t>(head, 0);
    const auto requests = integer<std::uint32_t>(head, 8);
    payload_left_ = integer<std::uint32_t>(head, 12);
    require(std::uint64_t{requests} * request_bytes, "the list of its requests");
    requests_.clear();
    requests_.reserve(requests);
    for (std::uint32_t i = 0; i < requests; ++i) {
      std::array<char, request_bytes> request{};
      take(request, "the list of its requests");
      requests_.push_back({.hash = integer<std::uint64_t>(request, 0), .length = integer<std::uint32_t>(request, 8)});
    }
    require(payload_left_, "its payload");
    left_ -= payload_left_;
    input_.clear();
    static_cast<void>(inflateEnd(&state_));
    state_ = {};
    if (inflateInit(&state_) != Z_OK) {
      throw SystemError(name(), "zlib has not enough memory");
    }
    return true;
  }

  std::uint64_t forward() const noexcept { return forward_; }
  const std::vector<LoggedRequest>& requests() const noexcept { return requests_; }

  /// The next row of this forward.
  void read_row(std::vector<std::int64_t>& ids) {
    deltas_.resize(header_.top_k * sizeof(std::uint32_t));
    inflate_into(deltas_);
    ids.clear();
    std::uint32_t id = 0;  // unsigned, so that a damaged sum wraps
    for (std::size_t at = 0; at < deltas_.size(); at += sizeof(id)) {
      id += integer<std::uint32_t>(deltas_, at);
      if (const auto position = std::bit_cast<std::int32_t>(id); position >= 0) {
        ids.push_back(position);
      }
    }
  }

  /// After the last row: nothing may follow in the payload.
  void finish_rows() {
    std::array<char, 1> more{};
    state_.next_out = reinterpret_cast<Bytef*>(more.data());  // NOLINT(*-reinterpret-cast): zlib's idea of bytes
    state_.avail_out = 1;
    int result = Z_OK;
    while (result == Z_OK && state_.avail_out > 0) {
      result = step_inflate();
    }
    if (result != Z_STREAM_END || state_.avail_out == 0 || state_.avail_in > 0 || payload_left_ > 0) {
      throw TraceError(name(), "forward {}: its payload does not end with its {} x {} x {} ids", forward_,
                       requests_.size(), header_.layers.size(), header_.top_k);
    }
  }

 private:
  static constexpr std::size_t forward_bytes = 16;
  static constexpr std::size_t request_bytes = 12;

  template <class Integer, class Bytes>
  static Integer integer(const Bytes& bytes, std::size_t at) noexcept {
    Integer out = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      out |= static_cast<Integer>(static_cast<Integer>(static_cast<unsigned char>(bytes[at + i])) << (8 * i));
    }
    return out;
  }

  void require(std::uint64_t bytes, std::string_view noun) const {
    if (bytes > left_) {
      throw TraceError(name(), "is cut off: {} needs {} bytes, and {} are left", noun, bytes, left_);
    }
  }

  template <class Bytes>
  void take(Bytes& out, std::string_view noun) {
    require(out.size(), noun);
    file_->read(std::as_writable_bytes(std::span(out.data(), out.size())));
    left_ -= out.size();
  }

  void refill() {
    input_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, buffer_bytes)));
    file_->read(std::as_writable_bytes(std::span(input_)));
    payload_left_ -= input_.size();
    state_.next_in = reinterpret_cast<Bytef*>(input_.data());  // NOLINT(*-reinterpret-cast)
    state_.avail_in = static_cast<uInt>(input_.size());
  }

  int step_inflate() {
    if (state_.avail_in == 0 && payload_left_ > 0) {
      refill();
    }
    return inflate(&state_, Z_NO_FLUSH);
  }

  void inflate_into(std::span<char> out) {
    state_.next_out = reinterpret_cast<Bytef*>(out.data());  // NOLINT(*-reinterpret-cast)
    state_.avail_out = static_cast<uInt>(out.size());
    while (state_.avail_out > 0) {
      const int result = step_inflate();
      if (state_.avail_out > 0 && result != Z_OK) {
        throw TraceError(name(), "forward {}: its payload is damaged or too short for {} x {} x {} ids", forward_,
                         requests_.size(), header_.layers.size(), header_.top_k);
      }
    }
  }

  void pass_over() {
    while (payload_left_ > 0) {
      refill();
    }
    state_.avail_in = 0;
  }

  static constexpr std::uint64_t buffer_bytes = std::uint64_t{1} << 16U;

  std::unique_ptr<ByteSource> file_;
  std::uint64_t left_;  ///< bytes behind the forward
  LogHeader header_;
  std::uint64_t forward_ = 0;
  std::vector<LoggedRequest> requests_;
  std::uint64_t payload_left_ = 0;
  std::vector<char> input_;
  std::vector<char> deltas_;
  z_stream state_{};
};

class LogRows final : public RowReader {
 public:
  explicit LogRows(const std::filesystem::path& path) : log_(path) {}

  bool next(SelectionRow& row) override {
    const std::size_t layers = log_.header().layers.size();
    while (row_ == log_.requests().size() * layers) {
      if (row_ > 0) {
        log_.finish_rows();
      }
      row_ = 0;
      if (!log_.next()) {
        return false;
      }
    }
    const LoggedRequest& request = log_.requests()[row_ / layers];
    row.request = fmt::format("{:016x}", request.hash);
    row.step = log_.forward();
    row.layer = log_.header().layers[row_ % layers].model_layer;
    row.context = request.length;
    log_.read_row(row.ids);
    ++row_;
    return true;
  }

  std::string place() const override { return fmt::format("{}: forward {}", log_.name(), log_.forward()); }

 private:
  LogFile log_;
  std::size_t row_ = 0;  ///< of the forward, read so far
};

/// Whether a request is missing from a forward between two of its own.
bool has_pauses(LogFile& log) {
  std::map<std::uint64_t, std::uint64_t> last;
  while (log.next()) {
    for (const LoggedRequest& request : log.requests()) {
      const auto [found, is_new] = last.try_emplace(request.hash, log.forward());
      if (!is_new && found->second != log.forward() && found->second + 1 != log.forward()) {
        return true;
      }
      found->second = log.forward();
    }
  }
  return false;
}

std::unique_ptr<CaptureFile> open_log(const std::filesystem::path& path, const ImportOptions& options) {
  require_start(path, has_magic, "a log of SGLang's (\"SGLTOPK1\")");
  LogFile log(path);
  return row_file(path,
                  {.open = [](const std::filesystem::path& file) -> std::unique_ptr<RowReader> {
                     return std::make_unique<LogRows>(file);
                   },
                   .has_queries = has_pauses(log),
                   .names_layers = true,
                   .layers = log.header().layers,
                   .entries = {.kind = log.header().ids_are_positions ? IdKind::logical : IdKind::physical}},
                  options);
}

}  // namespace

ImportFormat sgltopk_format() {
  return {.name = "sgltopk",
          .description = "log of SGLang's decode forwards (SGLANG_INDEXER_TOPK_LOG_DIR): SGLTOPK1",
          .recognises = [](const CaptureStart& start) { return has_magic(start.bytes); },
          .open = open_log,
          .names_steps = true};
}

}  // namespace dsasim
