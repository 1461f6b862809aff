#pragma once

#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class FormatterBase;
}  // namespace CLI

// What the declared options say of themselves: --help, man pages, completions of shells.

namespace dsasim::tool {

/// Help whose descriptions wrap at the terminal's width, if stdout is one; elsewhere a description is one line.
std::shared_ptr<CLI::FormatterBase> help_formatter();

std::vector<const CLI::App*> commands_of(const CLI::App& tool);

/// "dsasim-replay", or "dsasim" of the whole.
std::string page_name(const CLI::App& command);

/// The page of a command, or of the tool if `command` is the whole: man(7).
std::string man_page(const CLI::App& command);

/// The script that completes commands, options and the names that they take: for bash, zsh or fish.
std::string completion_script(const CLI::App& tool, const std::string& shell);

}  // namespace dsasim::tool
