// Format "npz": one request as an archive of arrays, as numpy.savez writes it. array_archive.cpp says which arrays.
#include "array_archive.hpp"
#include "dsasim/error.hpp"
#include "formats.hpp"
#include "zip_archive.hpp"

namespace dsasim {
namespace {

bool has_zip_magic(std::span<const unsigned char> first_bytes) {
  // The second is an archive without members: an npz of nothing, about which open() says so.
  return starts_with(first_bytes, "PK\x03\x04") || starts_with(first_bytes, "PK\x05\x06");
}

/// The arrays are the members that end in .npy, named without that.
class ZipArrays final : public ArrayArchive {
 public:
  explicit ZipArrays(const std::filesystem::path& path) : archive_(path) {
    constexpr std::string_view suffix = ".npy";
    members_.reserve(archive_.members().size());
    for (const ZipArchive::Member& member : archive_.members()) {
      const bool is_array = member.name.ends_with(suffix);
      members_.push_back(
          {.name = member.name, .key = is_array ? member.name.substr(0, member.name.size() - suffix.size()) : ""});
    }
  }

  const std::string& name() const override { return archive_.name(); }
  const std::vector<Member>& members() const override { return members_; }

  std::unique_ptr<NpyReader> open(std::string_view key) const override {
    std::size_t at = 0;
    while (members_.at(at).key != key) {
      ++at;
    }
    return std::make_unique<NpyReader>(archive_.open(archive_.members()[at], std::string(key)));
  }

  std::optional<std::uint64_t> metadata(std::string_view /*key*/) const override { return std::nullopt; }

 private:
  ZipArchive archive_;
  std::vector<Member> members_;
};

std::unique_ptr<CaptureFile> open_npz(const std::filesystem::path& path, const ImportOptions& options) {
  require_start(path, has_zip_magic, R"(a zip file ("PK\x03\x04"))");
  return array_file(path, options, [](const std::filesystem::path& file, const ImportOptions& said) {
    return open_archive(ZipArrays(file), said);
  });
}

}  // namespace

ImportFormat npz_format() {
  return {.name = "npz",
          .description = "numpy archive of one request: topk_indices, indexer_topk_flat, topk_index, or one array",
          .recognises = [](const CaptureStart& start) { return has_zip_magic(start.bytes); },
          .open = open_npz,
          .is_array = true};
}

}  // namespace dsasim
