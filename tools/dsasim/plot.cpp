#include "plot.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>
#include <string_view>

namespace dsasim::tool {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// As POSIX has it: the first of these that is not empty.
bool is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string locale = environment(name);
    if (!locale.empty()) {
      std::transform(locale.begin(), locale.end(), locale.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    }
  }
  return false;
}

}  // namespace

unsigned plot_columns() {
  const std::string terminal = environment("TERM");
  if (::isatty(STDOUT_FILENO) != 1 || terminal.empty() || terminal == "dumb" || !is_utf8()) {
    return 0;
  }
  constexpr unsigned usual = 80;
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual;
}

void add_plot_option(CLI::App& app, OptionRules& rules, bool& plot, const Result& result, std::string_view what) {
  add_flag(app, "--plot", plot, fmt::format("Draw {} below the text, on a terminal", what));
  rules.only_if(
      app, {"--plot"}, [&result] { return result.is_text() && plot_columns() > 0; },
      "a terminal as stdout that shows UTF-8, and neither --json nor --csv");
}

}  // namespace dsasim::tool
