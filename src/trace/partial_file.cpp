#include "dsasim/trace/partial_file.hpp"

#include "dsasim/error.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

namespace dsasim {
namespace {

namespace fs = std::filesystem;

/// A name as a signal handler can read it: at a fixed place, without allocation.
struct Slot {
  enum State : int { is_free, is_written, is_whole };
  std::atomic<int> state = is_free;
  std::array<char, PATH_MAX> path{};
};
static_assert(std::atomic<int>::is_always_lock_free);

// Global: a signal handler gets no argument. More outputs are not open at once; those beyond would not be removed.
std::array<Slot, 16> slots;
std::atomic<bool> is_ending = false;

/// After a slot's state has changed, before its path does: a handler that saw the state before has set is_ending by
/// then, and reads the path.
void wait_if_ending() noexcept {
  while (is_ending) {
    ::pause();
  }
}

/// Removes `path` and what a library made beside it under a longer name, as libzip does (OUT.partial-1.x7Gh2k).
/// opendir() would allocate.
bool remove_with_suffixes(const char* path) noexcept {
  bool removed = ::unlink(path) == 0;
  const char* slash = std::strrchr(path, '/');
  const std::string_view name = slash == nullptr ? path : slash + 1;
  std::array<char, PATH_MAX> folder{"."};
  if (slash != nullptr) {
    std::copy(path, slash + 1, folder.begin());
    folder[static_cast<std::size_t>(slash + 1 - path)] = '\0';
  }
  const int descriptor = ::open(folder.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  alignas(dirent64) std::array<char, 4096> entries;
  for (ssize_t size = 0; (size = ::getdents64(descriptor, entries.data(), entries.size())) > 0;) {
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(entries.data() + at);
      const std::string_view found = entry->d_name;
      if (found.size() > name.size() && found.starts_with(name) && found[name.size()] == '.') {
        removed |= ::unlinkat(descriptor, entry->d_name, 0) == 0;
      }
      at += entry->d_reclen;
    }
  }
  ::close(descriptor);
  return removed;
}

}  // namespace

fs::path end_of_links(fs::path path) {
  constexpr int most_links = 40;  // as the kernel follows
  std::error_code error;
  for (int i = 0; i < most_links && fs::is_symlink(path, error); ++i) {
    path = path.parent_path() / fs::read_symlink(path, error);  // an absolute one replaces the folder
  }
  return path;
}

UnfinishedName::UnfinishedName(const fs::path& path) noexcept {
  const std::string& text = path.native();
  for (; slot_ < slots.size() && text.size() < PATH_MAX; ++slot_) {
    Slot& slot = slots[slot_];
    int expected = Slot::is_free;
    if (slot.state.compare_exchange_strong(expected, Slot::is_written)) {
      wait_if_ending();
      std::copy_n(text.c_str(), text.size() + 1, slot.path.begin());
      slot.state = Slot::is_whole;
      return;
    }
  }
  slot_ = slots.size();
}

UnfinishedName::~UnfinishedName() {
  if (slot_ < slots.size()) {
    slots[slot_].state = Slot::is_free;
  }
}

bool remove_unfinished() noexcept {
  is_ending = true;
  bool found = false;
  for (const Slot& slot : slots) {
    found |= slot.state == Slot::is_whole && remove_with_suffixes(slot.path.data());
  }
  for (const Slot& slot : slots) {  // afterwards: folders that the files leave empty
    found |= slot.state == Slot::is_whole && ::rmdir(slot.path.data()) == 0;
  }
  return found;
}

PartialFile::PartialFile(const fs::path& output) {
  std::error_code error;
  const fs::file_status found = fs::status(output, error);
  in_place_ = fs::exists(found) && !fs::is_regular_file(found);
  output_ = fs::is_regular_file(found) ? fs::canonical(output) : fs::exists(found) ? output : end_of_links(output);
  path_ = output_;
  if (!in_place_) {
    path_ += fmt::format(".partial-{}", ::getpid());
    unfinished_.emplace(path_);
  }
}

PartialFile::~PartialFile() {
  if (!in_place_) {
    std::error_code ignored;  // there is nothing left to be done about it
    fs::remove(path_, ignored);
  }
}

void PartialFile::keep() {
  if (in_place_) {
    return;
  }
  std::error_code error;
  const fs::file_status replaced = fs::status(output_, error);
  if (fs::is_regular_file(replaced)) {
    fs::permissions(path_, replaced.permissions(), error);  // who may read it is not ours to change
  }
  fs::rename(path_, output_, error);
  if (error) {
    throw SystemError(output_.string(), "the finished file cannot take its name: {}", error.message());
  }
}

}  // namespace dsasim
