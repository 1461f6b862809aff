#include "output.hpp"

#include "dsasim/error.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace dsasim::tool {
namespace {

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A terminal of TERM=dumb has no way to clear a line: it gets lines, as a file does.
bool can_redraw() {
  const char* const terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

/// Whether a line of progress stands on the terminal: commands have one at a time.
bool& line_is_drawn() noexcept {
  static bool drawn = false;
  return drawn;
}

}  // namespace

void require_trace_file(const std::string& path) {
  if (path.empty()) {
    throw ConfigError("--output", "expected the path of the trace to write");
  }
  if (path == "-") {
    throw ConfigError("--output", "a trace cannot go to stdout (\"-\"); expected the path of the trace to write");
  }
}

void say(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

Output::Output(std::string option, std::string path) : option_(std::move(option)), path_(std::move(path)) {
  if (path_ == "-") {
    file_ = stdout;
    return;
  }
  std::error_code error;
  if (std::filesystem::is_directory(path_, error)) {
    errno = EISDIR;
    fail("cannot be created");
  }
  partial_.emplace(path_);
  file_ = std::fopen(partial_->path().c_str(), "wb");
  if (file_ == nullptr) {
    fail("cannot be created");
  }
}

Output::~Output() {
  if (partial_ && file_ != nullptr) {
    std::fclose(file_);
  }
}

void Output::fail(const char* what) const {
  throw SystemError(option_, "{} {}: {}", path_, what, std::strerror(errno));
}

void Output::write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) {
    fail("cannot be written");
  }
}

void Output::commit() {
  if (std::fflush(file_) != 0) {
    fail("cannot be written");
  }
  if (!partial_) {
    return;
  }
  if (std::fclose(std::exchange(file_, nullptr)) != 0) {
    fail("cannot be written");
  }
  partial_->keep();
}

Progress::Progress(std::string label)
    : label_(std::move(label)), terminal_(can_redraw()), off_(progress_is_off()), started_s_(now_s()) {}

Progress::~Progress() {
  clear();
}

void Progress::clear() noexcept {
  if (std::exchange(line_is_drawn(), false)) {
    say("\r\x1b[K");
  }
}

bool progress_is_off() {
  const char* setting = std::getenv("DSASIM_PROGRESS");
  return setting != nullptr && std::string_view(setting) == "off";
}

bool Progress::is_due(double now) const {
  constexpr double redraw_s = 0.1;
  return !off_ && now - std::max(started_s_, last_drawn_s_) >= (terminal_ ? redraw_s : progress_line_s);
}

void Progress::draw(double now, const std::string& text) {
  last_drawn_s_ = now;
  line_is_drawn() = terminal_;
  say(terminal_ ? fmt::format("\r\x1b[K{} {}", label_, text) : fmt::format("{}: {}\n", label_, text));
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  if (total > 0) {
    update_share(static_cast<double>(done) / static_cast<double>(total));
  }
}

void Progress::update_share(double share) {
  const double now = now_s();
  if (!is_due(now)) {
    return;
  }
  const double left_s = share > 0 ? (now - started_s_) * (1 - share) / share : 0;
  draw(now, fmt::format("{:3.0f}%  {:.0f} s left", 100 * share, left_s));
}

void Progress::update_bytes(std::uint64_t written) {
  if (const double now = now_s(); is_due(now)) {
    draw(now, fmt::format("{:.0f} MB written", static_cast<double>(written) / 1e6));
  }
}

}  // namespace dsasim::tool
