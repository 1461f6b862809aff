#include "manual.hpp"

#include "dsasim/cache/policy_spec.hpp"
#include "dsasim/config/config_object.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/version.hpp"

#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim::tool {
namespace {

/// Of the terminal that stdout is; 0 if it is none. COLUMNS wins, as it does for man.
std::size_t terminal_columns() {
  if (::isatty(STDOUT_FILENO) != 1) {
    return 0;
  }
  constexpr std::size_t default_columns = 80;
  const char* const columns = std::getenv("COLUMNS");
  if (const auto said = columns == nullptr ? 0 : std::strtoul(columns, nullptr, 10); said > 0) {
    return said;
  }
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : default_columns;
}

std::string wrapped(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t line = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (!out.empty()) {
      const bool fits = line + 1 + word.size() <= width;
      out += fits ? ' ' : '\n';
      line = fits ? line + 1 : 0;
    }
    out += word;
    line += word.size();
  }
  return out;
}

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::size_t columns) {
    constexpr std::size_t name_columns = 28;
    constexpr std::size_t least_width = 24;  // a narrower terminal wraps by itself
    column_width(name_columns);
    width_ = columns > name_columns + least_width ? columns - name_columns : 0;
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return fitted(CLI::Formatter::make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* command) const override {
    std::stringstream out;
    CLI::detail::format_help(out, command->get_display_name(true), fitted(command->get_description()),
                             get_column_width());
    return out.str();
  }

 private:
  std::string fitted(const std::string& text) const { return width_ == 0 ? text : wrapped(text, width_); }

  std::size_t width_;
};

std::vector<const CLI::Option*> options_of(const CLI::App& command, bool positional) {
  return command.get_options(
      [positional](const CLI::Option* option) { return option->get_positional() == positional; });
}

/// "NAME" of what takes a value, "" of a flag.
std::string value_of(const CLI::Option& option) {
  return option.get_items_expected_max() == 0 ? "" : option.get_type_name();
}

// ---- man pages ----

/// Text as roff takes it: no escape, no command, hyphens that can be copied.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
      out.append("\\&").push_back(c);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string roff_options(const CLI::App& command, const std::string& group) {
  std::string out;
  for (const CLI::Option* option : options_of(command, /*positional=*/false)) {
    if (option->get_group() == group) {
      const std::string value = value_of(*option);
      out += fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", roff(option->get_name(false, true)),
                         value.empty() ? "" : fmt::format(" \\fI{}\\fR", roff(value)), roff(option->get_description()));
    }
  }
  return out;
}

std::string roff_see_also(const CLI::App& command) {
  const CLI::App* const tool = command.get_parent();
  std::vector<std::string> pages;
  if (tool == nullptr) {
    for (const CLI::App* one : commands_of(command)) {
      pages.push_back(fmt::format(".BR {} (1)", roff(page_name(*one))));
    }
  } else {
    pages.emplace_back(".BR dsasim (1)");
  }
  return fmt::format(".SH SEE ALSO\n{}\n", fmt::join(pages, ",\n"));
}

// ---- completions ----

/// What the shell offers for an option's value; nothing where it is a number or a file.
std::vector<std::string> known_values(const CLI::Option& option) {
  std::vector<std::string> values;
  const std::string type = value_of(option);
  if (type.find('|') != std::string::npos) {
    for (const std::string& one : CLI::detail::split(type, '|')) {
      const bool is_name = std::none_of(one.begin(), one.end(), [](unsigned char c) {
        return std::isupper(c) != 0 || c == '[' || c == ',' || c == '=';
      });
      if (is_name && !one.empty()) {
        values.push_back(one);
      }
    }
  }
  // The description names the command that lists what can be named.
  const auto is_listed_by = [&](std::string_view list) {
    return option.get_description().find(fmt::format("`dsasim {}`", list)) != std::string::npos;
  };
  const auto add = [&values](const auto& names) { values.insert(values.end(), names.begin(), names.end()); };
  if (is_listed_by("policies")) {
    for (const PolicyDescription& policy : policy_descriptions()) {
      values.emplace_back(policy.name);
    }
  }
  if (is_listed_by("memories")) {
    for (const MemoryDescription& memory : memory_models()) {
      values.emplace_back(memory.name);
    }
    add(config_names("memory"));
  }
  for (const char* const folder : {"models", "gpus", "kernels"}) {
    if (is_listed_by(folder)) {
      add(config_names(folder));
    }
  }
  return values;
}

std::string long_names(const CLI::Option& option) {
  return fmt::format("--{}", fmt::join(option.get_lnames(), " --"));
}

template <class Line>
std::string for_each_option(const CLI::App& tool, Line line) {
  std::string out;
  for (const CLI::App* command : commands_of(tool)) {
    for (const CLI::Option* option : options_of(*command, /*positional=*/false)) {
      if (!option->get_lnames().empty()) {
        out += line(*command, *option);
      }
    }
  }
  return out;
}

std::string names_of_commands(const CLI::App& tool) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(tool)) {
    names.push_back(command->get_name());
  }
  return fmt::format("{}", fmt::join(names, " "));
}

/// The cases "COMMAND OPTION" whose values are known, and "COMMAND" with its options.
std::string bash_cases(const CLI::App& tool) {
  std::string values = for_each_option(tool, [](const CLI::App& command, const CLI::Option& option) {
    const auto known = known_values(option);
    return known.empty() ? std::string()
                         : fmt::format("    '{} --{}') words='{}' ;;\n", command.get_name(),
                                       option.get_lnames().front(), fmt::join(known, " "));
  });
  std::string options;
  for (const CLI::App* command : commands_of(tool)) {
    std::vector<std::string> names;
    for (const CLI::Option* option : options_of(*command, /*positional=*/false)) {
      if (!option->get_lnames().empty()) {
        names.push_back(long_names(*option));
      }
    }
    options += fmt::format("    '{} '*) words='{}' ;;\n", command->get_name(), fmt::join(names, " "));
  }
  return values + options;
}

/// zsh runs the same function, through its bashcompinit.
std::string bash_script(const CLI::App& tool) {
  return fmt::format(R"(_dsasim() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} words=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{} help' -- "$current"))
    return
  fi
  case $before in
    --*) ;;
    *) [[ $current == -* ]] && before=- || before='' ;;
  esac
  case "${{COMP_WORDS[1]}} $before" in
    'help '*) ((COMP_CWORD == 2)) && words='{}' ;;
{}  esac
  if [[ $before == --* && $current != -* && $words == --* ]]; then words=''; fi
  if [[ -n $before || ${{COMP_WORDS[1]}} == help ]]; then COMPREPLY=($(compgen -W "$words" -- "$current")); fi
  if ((${{#COMPREPLY[@]}} == 0)); then COMPREPLY=($(compgen -f -- "$current")); fi
}}
complete -o filenames -o bashdefault -F _dsasim dsasim
)",
                     names_of_commands(tool), names_of_commands(tool), bash_cases(tool));
}

std::string zsh_script(const CLI::App& tool) {
  return "#compdef dsasim\nautoload -U +X bashcompinit && bashcompinit\n" + bash_script(tool);
}

/// In single quotes of fish, which knows \' and \\ there.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out + "'";
}

std::string fish_script(const CLI::App& tool) {
  std::string out;
  for (const CLI::App* command : commands_of(tool)) {
    out += fmt::format("complete -c dsasim -n __fish_use_subcommand -f -a {} -d {}\n", command->get_name(),
                       fish_quoted(command->get_description()));
  }
  out += fmt::format("complete -c dsasim -n '__fish_seen_subcommand_from help' -f -a '{}'\n", names_of_commands(tool));
  return out + for_each_option(tool, [](const CLI::App& command, const CLI::Option& option) {
           const auto known = known_values(option);
           return fmt::format("complete -c dsasim -n '__fish_seen_subcommand_from {}' -l {}{}{} -d {}\n",
                              command.get_name(), fmt::join(option.get_lnames(), " -l "),
                              value_of(option).empty() ? "" : " -r",
                              known.empty() ? "" : fmt::format(" -a '{}'", fmt::join(known, " ")),
                              fish_quoted(option.get_description()));
         });
}

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter() {
  return std::make_shared<HelpFormatter>(terminal_columns());
}

std::vector<const CLI::App*> commands_of(const CLI::App& tool) {
  return tool.get_subcommands([](const CLI::App* command) { return !command->get_name().empty(); });
}

std::string page_name(const CLI::App& command) {
  const CLI::App* const tool = command.get_parent();
  return tool == nullptr ? "dsasim" : fmt::format("dsasim-{}", command.get_name());
}

std::string man_page(const CLI::App& command) {
  const CLI::App* const tool = command.get_parent();
  const std::string name = page_name(command);
  std::string synopsis = tool == nullptr ? "\\fICOMMAND\\fR [\\fIOPTION\\fR]..." : "[\\fIOPTION\\fR]...";
  std::string inputs;
  for (const CLI::Option* option : options_of(command, /*positional=*/true)) {
    synopsis += fmt::format(" \\fI{}\\fR", roff(option->get_name()));
    inputs += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(option->get_name()), roff(option->get_description()));
  }
  std::string out =
      fmt::format(".TH {} 1 \"\" \"dsasim {}\" \"dsasim\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n\\fBdsasim{}\\fR {}\n",
                  roff(CLI::detail::to_lower(name)), version(), roff(name), roff(command.get_description()),
                  tool == nullptr ? "" : " " + roff(command.get_name()), synopsis);
  if (tool == nullptr) {
    out += ".SH COMMANDS\n";
    for (const CLI::App* one : commands_of(command)) {
      out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(one->get_name()), roff(one->get_description()));
    }
  }
  out += inputs.empty() ? "" : ".SH INPUTS\n" + inputs;
  for (const std::string& group : command.get_groups()) {
    if (const std::string options = roff_options(command, group); !options.empty()) {
      out += fmt::format(".SH {}\n{}", roff(group == "Options" ? "OPTIONS" : group), options);
    }
  }
  if (const std::string footer = command.get_footer(); !footer.empty()) {
    out +=
        fmt::format(".SH EXAMPLE\n.EX\n{}\n.EE\n", roff(CLI::detail::trim_copy(footer.substr(footer.find('\n') + 1))));
  }
  out +=
      ".SH EXIT STATUS\n0: done. 1: the answer is no, as a difference that was found. 2: the input is wrong; one line "
      "says "
      "what. 70: an error of dsasim itself.\n";
  return out + roff_see_also(command);
}

std::string completion_script(const CLI::App& tool, const std::string& shell) {
  return shell == "bash" ? bash_script(tool) : shell == "zsh" ? zsh_script(tool) : fish_script(tool);
}

}  // namespace dsasim::tool
