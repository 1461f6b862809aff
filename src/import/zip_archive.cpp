#include "zip_archive.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <set>
#include <system_error>

namespace dsasim {
namespace {

/// Deflate spends at least two bits on a match of at most 258 bytes: 1032 to 1, and a little for the ends.
constexpr std::uint64_t highest_deflate_ratio = 1032;
constexpr std::uint64_t deflate_slack = 4096;

struct CloseMember {
  void operator()(zip_file_t* file) const noexcept { static_cast<void>(zip_fclose(file)); }
};
using MemberHandle = std::unique_ptr<zip_file_t, CloseMember>;

struct ErrorText {
  explicit ErrorText(int code) { zip_error_init_with_code(&error, code); }
  ~ErrorText() { zip_error_fini(&error); }
  ErrorText(const ErrorText&) = delete;
  ErrorText& operator=(const ErrorText&) = delete;
  zip_error_t error{};
};

std::shared_ptr<zip_t> open_handle(const std::filesystem::path& path) {
  int code = 0;
  zip_t* const handle = zip_open(path.c_str(), ZIP_RDONLY, &code);
  if (handle == nullptr) {
    ErrorText text(code);
    const char* const reason = zip_error_strerror(&text.error);
    if (code == ZIP_ER_OPEN || code == ZIP_ER_NOENT || code == ZIP_ER_MEMORY) {
      throw SystemError(path.string(), "cannot open: {}", reason);
    }
    throw TraceError(path.string(), "is no intact zip archive, or is cut off: {}", reason);
  }
  return {handle, zip_discard};
}

zip_stat_t stat_member(zip_t* handle, std::uint64_t index, const std::string& where) {
  constexpr zip_uint64_t needed =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(handle, index, ZIP_FL_ENC_RAW, &stat) != 0) {
    throw TraceError(where, "damaged zip directory at member {}: {}", index, zip_strerror(handle));
  }
  if ((stat.valid & needed) != needed) {
    throw TraceError(where, "incomplete zip directory at member {}", index);
  }
  return stat;
}

/// What a directory says is not yet true; what follows from it must at least be possible.
void require_readable(const zip_stat_t& stat, std::uint64_t file_bytes, const std::string& where) {
  if (stat.encryption_method != ZIP_EM_NONE) {
    throw TraceError(where, "is encrypted");
  }
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE) {
    throw TraceError(where, "is compressed by zip method {}, expected 0 (stored) or 8 (deflate)", stat.comp_method);
  }
  if (stat.comp_size > file_bytes) {
    throw TraceError(where, "claims {} compressed bytes in a file of {}", stat.comp_size, file_bytes);
  }
  const bool possible =
      stat.comp_method == ZIP_CM_STORE
          ? stat.size == stat.comp_size
          : stat.size <= deflate_slack || (stat.size - deflate_slack) / highest_deflate_ratio <= stat.comp_size;
  if (!possible) {
    throw TraceError(where, "claims {} bytes in {} {} ones, which is impossible", stat.size, stat.comp_size,
                     stat.comp_method == ZIP_CM_STORE ? "stored" : "deflated");
  }
}

class MemberBytes final : public ByteSource {
 public:
  MemberBytes(std::shared_ptr<zip_t> archive, MemberHandle file, std::string name, std::uint64_t size)
      : archive_(std::move(archive)), file_(std::move(file)), name_(std::move(name)), size_(size) {}

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }

  void read(std::span<std::byte> out) override {
    while (!out.empty()) {
      const std::size_t done = read_some(out);
      if (done == 0) {
        throw TraceError(name_, "ends after {} bytes, the zip directory says {}", position_, size_);
      }
      out = out.subspan(done);
    }
  }

  /// libzip compares the checksum and the size when it is asked for a byte after the last.
  void finish() override {
    std::byte beyond{};
    if (read_some({&beyond, 1}) != 0) {
      throw TraceError(name_, "is longer than the {} bytes that the zip directory says", size_);
    }
  }

 private:
  std::size_t read_some(std::span<std::byte> out) {
    const zip_int64_t done = zip_fread(file_.get(), out.data(), out.size());
    if (done < 0) {
      throw TraceError(name_, "damaged after {} of {} bytes: {}", position_, size_,
                       zip_error_strerror(zip_file_get_error(file_.get())));
    }
    position_ += static_cast<std::uint64_t>(done);
    return static_cast<std::size_t>(done);
  }

  std::shared_ptr<zip_t> archive_;  // outlives file_, being declared before it
  MemberHandle file_;
  std::string name_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
};

}  // namespace

ZipArchive::ZipArchive(const std::filesystem::path& path) : name_(path.string()), handle_(open_handle(path)) {
  std::error_code error;
  file_bytes_ = std::filesystem::file_size(path, error);
  if (error) {
    throw SystemError(name_, "cannot read its size: {}", error.message());
  }
  const zip_int64_t count = zip_get_num_entries(handle_.get(), 0);
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(std::max<zip_int64_t>(count, 0)); ++i) {
    const zip_stat_t stat = stat_member(handle_.get(), i, name_);
    if (!names.insert(stat.name).second) {
      throw TraceError(name_, "has two members named {}", printable(stat.name));
    }
    members_.push_back({.name = stat.name, .index = i});
  }
}

std::unique_ptr<ByteSource> ZipArchive::open(const Member& member, const std::string& key) const {
  std::string where = fmt::format("{}: {}", name_, printable(key));
  const zip_stat_t stat = stat_member(handle_.get(), member.index, where);
  require_readable(stat, file_bytes_, where);
  MemberHandle file(zip_fopen_index(handle_.get(), member.index, 0));
  if (!file) {
    throw TraceError(where, "damaged: {}", zip_strerror(handle_.get()));
  }
  return std::make_unique<MemberBytes>(handle_, std::move(file), std::move(where), stat.size);
}

}  // namespace dsasim
