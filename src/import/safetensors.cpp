// Format "safetensors": one request as named tensors: uint64 length (little-endian), a JSON object of so many bytes,
// and the elements, in C order:
//
//   {"topk_indices": {"dtype": "I32", "shape": [40, 61, 2048], "data_offsets": [0, 19988480]},
//    "__metadata__": {"prompt_len": "4096"}}
//
// Names are those of npz (array_archive.cpp); a number may be a tensor of one element or a text of the metadata.
#include "array_archive.hpp"
#include "config/json_document.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>

namespace dsasim {
namespace {

constexpr std::size_t length_bytes = 8;
constexpr std::uint64_t longest_header = std::uint64_t{1} << 24U;
constexpr std::size_t most_tensors = std::size_t{1} << 16U;
constexpr const char* metadata_key = "__metadata__";

std::uint64_t header_length(std::span<const unsigned char> bytes) {
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) {
    length |= std::uint64_t{bytes[i]} << (8 * i);
  }
  return length;
}

/// A length that leaves three bytes zero, and an object.
bool is_safetensors(std::span<const unsigned char> bytes) {
  return bytes.size() > length_bytes && header_length(bytes) <= longest_header && header_length(bytes) > 1 &&
         bytes[length_bytes] == '{';
}

/// numpy's letter and size; '?' for types that numpy has not.
NpyType type_of(const std::string& dtype) {
  NpyType type{.kind = '?', .size = 0, .big_endian = false, .descr = dtype};
  const std::size_t digits = dtype.find_first_of("0123456789");
  const std::string_view letters = std::string_view(dtype).substr(0, digits);
  unsigned bits = 0;
  if (digits != std::string::npos) {
    std::from_chars(dtype.data() + digits, dtype.data() + dtype.size(), bits);
  }
  if ((letters == "I" || letters == "U" || letters == "F") && (bits == 8 || bits == 16 || bits == 32 || bits == 64)) {
    type.kind = letters == "I" ? 'i' : letters == "U" ? 'u' : 'f';
    type.size = bits / 8;
  }
  return type;
}

struct Tensor {
  NpyHeader header;
  std::uint64_t begin = 0;  ///< in the file
  std::uint64_t bytes = 0;
};

class SafeTensors final : public ArrayArchive {
 public:
  explicit SafeTensors(const std::filesystem::path& path) : path_(path), name_(path.string()) {
    const std::unique_ptr<ByteSource> file = open_file(path);
    std::array<unsigned char, length_bytes> length{};
    if (file->size() < length.size()) {
      throw TraceError(name_, "holds {} bytes, too few for a header", file->size());
    }
    file->read(std::as_writable_bytes(std::span(length)));
    const std::uint64_t bytes = header_length(length);
    if (bytes > longest_header || bytes > file->size() - length.size()) {
      throw TraceError(name_, "says that its header has {} bytes; it has {} behind the length, and at most {} are read",
                       bytes, file->size() - length.size(), longest_header);
    }
    std::string text(bytes, '\0');
    file->read(std::as_writable_bytes(std::span(text)));
    const std::uint64_t data = length.size() + bytes;
    read_header(parse_document<Json>(name_, text, most_tensors), data, file->size() - data);
  }

  const std::string& name() const override { return name_; }
  const std::vector<Member>& members() const override { return members_; }

  std::unique_ptr<NpyReader> open(std::string_view key) const override {
    const Tensor& tensor = tensors_.find(key)->second;
    return std::make_unique<NpyReader>(
        open_part(path_, tensor.begin, tensor.bytes, fmt::format("{}: {}", name_, printable(key))), tensor.header);
  }

  std::optional<std::uint64_t> metadata(std::string_view key) const override {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) {
      return std::nullopt;
    }
    const std::string& text = found->second;
    const auto number = number_of<std::uint64_t>(text);
    if (!number) {
      throw TraceError(name_, "its metadata's {} is \"{}\", expected a whole number from 0", key, printable(text));
    }
    return number;
  }

 private:
  using Json = nlohmann::json;

  void read_header(const Json& header, std::uint64_t data, std::uint64_t data_bytes) {
    if (!header.is_object()) {
      throw TraceError(name_, "its header is no JSON object");
    }
    members_.reserve(header.size());
    for (const auto& [key, value] : header.items()) {
      if (key == metadata_key) {
        read_metadata(value);
        continue;
      }
      Tensor tensor = read_tensor(key, value, data_bytes);
      tensor.begin += data;
      tensors_.emplace(key, std::move(tensor));
      members_.push_back({.name = key, .key = key});
    }
  }

  void read_metadata(const Json& value) {
    if (!value.is_object()) {
      throw TraceError(name_, "its {} is no JSON object", metadata_key);
    }
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) {
        throw TraceError(name_, "its metadata's {} is {}, expected a text", printable(key), printable(text.dump()));
      }
      metadata_.emplace(key, text.get<std::string>());
    }
  }

  /// With the begin within the elements.
  Tensor read_tensor(const std::string& key, const Json& value, std::uint64_t data_bytes) const {
    const auto is_list = [](const Json& list) {
      return list.is_array() &&
             std::all_of(list.begin(), list.end(), [](const Json& item) { return item.is_number_unsigned(); });
    };
    const Json none;
    const auto part = [&](const char* name) -> const Json& {
      const auto found = value.is_object() ? value.find(name) : value.end();
      return value.is_object() && found != value.end() ? *found : none;
    };
    const Json& dtype = part("dtype");
    const Json& shape = part("shape");
    const Json& offsets = part("data_offsets");
    if (!dtype.is_string() || !is_list(shape) || !is_list(offsets) || offsets.size() != 2) {
      throw TraceError(name_,
                       "its header's {} is {}, expected {{\"dtype\": \"I32\", \"shape\": [...], "
                       "\"data_offsets\": [begin, end]}}",
                       printable(key), printable(value.dump()));
    }
    const auto begin = offsets[0].get<std::uint64_t>();
    const auto end = offsets[1].get<std::uint64_t>();
    if (begin > end || end > data_bytes) {
      throw TraceError(name_, "{} lies from byte {} to {} of {}", printable(key), begin, end, data_bytes);
    }
    return {.header = {.type = type_of(dtype.get<std::string>()),
                       .fortran_order = false,
                       .shape = shape.get<std::vector<std::uint64_t>>()},
            .begin = begin,
            .bytes = end - begin};
  }

  std::filesystem::path path_;
  std::string name_;
  std::vector<Member> members_;
  std::map<std::string, Tensor, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

std::unique_ptr<CaptureFile> open_safetensors(const std::filesystem::path& path, const ImportOptions& options) {
  require_start(path, is_safetensors, "a header of safetensors (its length, then {)");
  return array_file(path, options, [](const std::filesystem::path& file, const ImportOptions& said) {
    return open_archive(SafeTensors(file), said);
  });
}

}  // namespace

ImportFormat safetensors_format() {
  return {.name = "safetensors",
          .description = "tensors of one request, with the names of npz",
          .recognises = [](const CaptureStart& start) { return is_safetensors(start.bytes); },
          .open = open_safetensors,
          .is_array = true};
}

}  // namespace dsasim
