#include "signals.hpp"

#include "dsasim/trace/partial_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <string_view>

namespace dsasim::tool {
namespace {

struct EndingSignal {
  int number;
  std::string_view line;  ///< ready to be written
};
constexpr std::array ending_signals = {
    EndingSignal{SIGHUP, "dsasim: ended by SIGHUP"},
    EndingSignal{SIGINT, "dsasim: ended by SIGINT"},
    EndingSignal{SIGQUIT, "dsasim: ended by SIGQUIT"},
    EndingSignal{SIGTERM, "dsasim: ended by SIGTERM"},
    EndingSignal{SIGXCPU, "dsasim: ended by SIGXCPU: the limit of processor time (ulimit -t)"},
    EndingSignal{SIGXFSZ, "dsasim: ended by SIGXFSZ: the limit of a file's size (ulimit -f)"},
    EndingSignal{SIGPIPE, ""},
};

bool is_terminal = false;  // stderr; a handler gets no argument

/// What cannot be written is lost.
void write_line(std::string_view text) noexcept {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

/// Async-signal-safe; the signals of the list are blocked in its thread.
extern "C" void end_by_signal(int number) {
  static std::atomic_flag ends_already = ATOMIC_FLAG_INIT;
  while (ends_already.test_and_set()) {
    ::pause();  // another thread is at it
  }
  const bool removed = remove_unfinished();
  const auto* signal = std::find_if(ending_signals.begin(), ending_signals.end(),
                                    [number](const EndingSignal& ending) { return ending.number == number; });
  if (!signal->line.empty()) {
    write_line(is_terminal ? "\r\x1b[K" : "");  // where a progress line may stand
    write_line(signal->line);
    write_line(removed ? "; the unfinished output is removed\n" : "\n");
  }
  // SA_RESETHAND: this time the signal does what it does by default.
  sigset_t this_one;
  sigemptyset(&this_one);
  sigaddset(&this_one, number);
  ::raise(number);
  ::pthread_sigmask(SIG_UNBLOCK, &this_one, nullptr);
  constexpr int status_of_signal = 128;
  ::_exit(status_of_signal + number);
}

}  // namespace

void hold_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) == -1) {
      ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // takes the lowest that is free
    }
  }
}

void end_cleanly_on_signals() {
  is_terminal = ::isatty(STDERR_FILENO) == 1;
  struct sigaction ending {};
  ending.sa_handler = end_by_signal;
  ending.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const EndingSignal& signal : ending_signals) {
    sigaddset(&ending.sa_mask, signal.number);
  }
  for (const EndingSignal& signal : ending_signals) {
    struct sigaction before {};
    if (::sigaction(signal.number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
      ::sigaction(signal.number, &ending, nullptr);
    }
  }
}

}  // namespace dsasim::tool
