#include "captures.hpp"

#include "catch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zip.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>
#include <system_error>

namespace captures {

namespace fs = std::filesystem;

TempDir::TempDir(const fs::path& parent) {
  std::string name = (parent / "dsasim-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), name);
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempDir::strip(std::string message) const {
  const std::string prefix = path_.string() + "/";
  for (std::size_t at = message.find(prefix); at != std::string::npos; at = message.find(prefix)) {
    message.erase(at, prefix.size());
  }
  return message;
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string integers(const std::vector<std::int64_t>& values, std::size_t size, bool big_endian) {
  std::string out;
  for (const std::int64_t value : values) {
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t byte = big_endian ? size - 1 - i : i;
      out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * byte)) & 0xffU);
    }
  }
  return out;
}

std::string npy_around(std::string_view dictionary, std::string_view data, int major) {
  std::string header(dictionary);
  const std::size_t before = major == 1 ? 10 : 12;
  header.append((64 - (before + header.size() + 1) % 64) % 64, ' ');
  header += '\n';
  std::string out = "\x93NUMPY";
  out += static_cast<char>(major);
  out += '\0';
  out += integers({static_cast<std::int64_t>(header.size())}, major == 1 ? 2 : 4);
  return out + header + std::string(data);
}

std::string dictionary(std::string_view descr, std::string_view shape, bool fortran) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", descr, fortran ? "True" : "False", shape);
}

std::string npy(std::string_view shape, const std::vector<std::int64_t>& values) {
  return npy_around(dictionary("<i4", shape), integers(values, 4));
}

std::string halves(std::string_view shape, const std::vector<std::int64_t>& bits) {
  return npy_around(dictionary("<f2", shape), integers(bits, 2));
}

std::string scalar(std::int64_t value) {
  return npy_around(dictionary("<i8", "()"), integers({value}, 8));
}

std::vector<std::int64_t> iota(std::size_t count) {
  std::vector<std::int64_t> out(count);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = 256 * bits + (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += at + i <= bytes.size() ? alphabet[(bits >> (18 - 6 * i)) & 63U] : '=';
    }
  }
  return out;
}

std::string gzip(std::string_view text) {
  z_stream state{};
  REQUIRE(deflateInit2(&state, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string input(text);
  std::string out(deflateBound(&state, input.size()) + 64, '\0');
  state.next_in = reinterpret_cast<Bytef*>(input.data());
  state.avail_in = static_cast<uInt>(input.size());
  state.next_out = reinterpret_cast<Bytef*>(out.data());
  state.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&state, Z_FINISH) == Z_STREAM_END);
  out.resize(state.total_out);
  deflateEnd(&state);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string sglang_response(const std::vector<std::int64_t>& ids, std::string_view meta) {
  return fmt::format(R"({{"text": "a \"b\" {{[", "output_ids": [1, 2], "meta_info": {{"id": "7f", "finish_reason": )"
                     R"({{"type": "length"}}, "indexer_topk": "{}"{}, "e2e_latency": 0.25}}}})",
                     base64(integers(ids, 4)), meta);
}

std::string vllm_choice(std::string_view npy_bytes, std::string_view more) {
  return fmt::format(R"({{"index": 0, "text": "x", "logprobs": null, "indexer_topk": "{}"{}}})", base64(npy_bytes),
                     more);
}

std::string vllm_response(const std::vector<std::string>& choices, std::string_view usage) {
  return fmt::format(R"({{"id": "cmpl-1", "object": "text_completion", "choices": [{}], "usage": {{{}}}}})",
                     fmt::join(choices, ", "), usage);
}

void write_zip(const fs::path& path, const Members& members, Zip method, const char* password) {
  int code = 0;
  zip_t* const archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  REQUIRE(archive != nullptr);
  for (const auto& [name, bytes] : members) {
    zip_source_t* const source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    REQUIRE(index >= 0);
    const auto at = static_cast<zip_uint64_t>(index);
    REQUIRE(zip_set_file_compression(archive, at, method == Zip::stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 0) == 0);
    if (password != nullptr) {
      REQUIRE(zip_file_set_encryption(archive, at, ZIP_EM_AES_256, password) == 0);
    }
  }
  REQUIRE(zip_close(archive) == 0);
}

}  // namespace captures
