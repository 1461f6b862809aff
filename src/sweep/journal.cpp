#include "sweep/journal.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"
#include "dsasim/trace/partial_file.hpp"
#include "report/choice_name.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

constexpr std::string_view magic_of_all_versions = "dsasim-sweep-journal/";
constexpr std::string_view magic = "dsasim-sweep-journal/2 ";
constexpr std::size_t hash_digits = 16;

std::string line_of(std::string_view content) {
  return fmt::format("{} {}\n", text_hash(content), content);
}

/// What is behind the hash; nothing if the hash is another's.
std::optional<std::string_view> content_of(std::string_view line) {
  if (line.size() <= hash_digits || line[hash_digits] != ' ') {
    return std::nullopt;
  }
  const std::string_view content = line.substr(hash_digits + 1);
  return text_hash(content) == line.substr(0, hash_digits) ? std::optional(content) : std::nullopt;
}

/// Cuts the text up to the next blank off.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

/// True if the file got no further than a part of its first line: nothing in it was finished.
bool is_torn_beginning(std::string_view text) {
  const std::string_view after_hash = text.substr(std::min(hash_digits + 1, text.size()));
  const std::size_t compared = std::min(after_hash.size(), magic_of_all_versions.size());
  return text.find('\n') == std::string_view::npos &&
         after_hash.substr(0, compared) == magic_of_all_versions.substr(0, compared) &&
         text.substr(0, hash_digits).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return true;
}

/// A new name is on the disk only when its folder is.
void sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) {
    ::fsync(descriptor);  // some file systems cannot, and then do without
    ::close(descriptor);
  }
}

}  // namespace

std::string text_hash(std::string_view text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

void replace_durably(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".journal.tmp";
  const UnfinishedName unfinished(temporary);
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  bool good = descriptor >= 0 && write_all(descriptor, text) && ::fsync(descriptor) == 0;
  int reason = errno;
  if (descriptor >= 0 && ::close(descriptor) != 0 && good) {
    good = false;
    reason = errno;
  }
  if (good && ::rename(temporary.c_str(), path.c_str()) != 0) {
    good = false;
    reason = errno;
  }
  if (!good) {
    ::unlink(temporary.c_str());
    throw SystemError(path, "cannot be written: {}", std::strerror(reason));
  }
  sync_folder_of(path);
}

Journal::Journal(std::string path, bool forget) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    fail("cannot be created");
  }
  try {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        throw ConfigError(path_, "another sweep is writing this output");
      }
      fail("cannot be locked");
    }
    load(forget);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

Journal::~Journal() {
  ::close(descriptor_);
}

void Journal::fail(const char* what) const {
  throw SystemError(path_, "{}: {}", what, std::strerror(errno));
}

void Journal::load(bool forget) {
  const std::string text = read_text(path_, max_table_bytes);
  // One that is to be forgotten may be damaged, or another version's; but no other file may be overwritten.
  const bool begins_as_one =
      std::string_view(text).substr(std::min(hash_digits + 1, text.size())).starts_with(magic_of_all_versions);
  if (is_torn_beginning(text) || (forget && begins_as_one)) {
    return;
  }
  std::size_t number = 0;
  std::optional<std::size_t> damaged;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const auto content = end == std::string::npos ? std::nullopt : content_of({text.data() + at, end - at});
    ++number;
    if (!content && !damaged) {
      damaged = number;
    } else if (content && damaged) {
      throw ConfigError(path_, "line {} is damaged; `restart` begins anew", *damaged);
    } else if (content) {
      add_line(*content, number);
      size_ = end + 1;
    }
    at = end == std::string::npos ? text.size() : end + 1;
  }
  if (identity_.empty()) {
    throw ConfigError(path_, "is not the journal of a sweep; please move it away");
  }
}

void Journal::add_line(std::string_view content, std::size_t number) {
  if (number == 1) {
    if (content.starts_with(magic_of_all_versions) && !content.starts_with(magic)) {
      throw ConfigError(path_, "is a journal of another version of dsasim ({}, expected {}); `restart` begins anew",
                        content.substr(0, content.find(' ')), magic.substr(0, magic.size() - 1));
    }
    identity_ = content.starts_with(magic) ? content.substr(magic.size()) : "";
    return;
  }
  PointOutcome outcome;
  const std::string_view point = take_word(content);
  const std::string_view status = take_word(content);
  const auto place = number_of<decltype(outcome.point)>(point);
  const auto* found = std::find_if(point_status_names.begin(), point_status_names.end(),
                                   [&](const auto& name) { return name.first == status; });
  if (identity_.empty() || !place || found == point_status_names.end()) {
    throw ConfigError(path_, "line {}: expected a point and how it ended", number);
  }
  outcome.point = *place;
  outcome.status = found->second;
  outcome.text = content;
  outcomes_[outcome.point] = std::move(outcome);
}

void Journal::begin(std::string identity) {
  size_ = 0;
  outcomes_.clear();
  identity_ = std::move(identity);
  write_durably(line_of(fmt::format("{}{}", magic, identity_)));
  sync_folder_of(path_);
}

void Journal::append(std::span<const PointOutcome> outcomes) {
  std::string lines;
  for (const PointOutcome& outcome : outcomes) {
    lines += line_of(fmt::format("{} {} {}", outcome.point, name_of(point_status_names, outcome.status), outcome.text));
  }
  write_durably(lines);
  for (const PointOutcome& outcome : outcomes) {
    outcomes_[outcome.point] = outcome;
  }
}

void Journal::write_durably(std::string_view lines) {
  // What an earlier start left of a line goes first.
  if (::ftruncate(descriptor_, static_cast<off_t>(size_)) != 0 ||
      ::lseek(descriptor_, static_cast<off_t>(size_), SEEK_SET) < 0 || !write_all(descriptor_, lines) ||
      ::fdatasync(descriptor_) != 0) {
    fail("cannot be written");
  }
  size_ += lines.size();
}

}  // namespace dsasim
