// What an installation takes: man pages, completions of shells.

#include "command.hpp"
#include "manual.hpp"
#include "options.hpp"
#include "output.hpp"

#include "dsasim/config/names.hpp"
#include "dsasim/error.hpp"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace dsasim::tool {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> shells = {
    {{"bash", "bash"}, {"zsh", "zsh"}, {"fish", "fish"}}};

void write_page(const CLI::App& command, const std::filesystem::path& folder) {
  Output out("--all", folder / fmt::format("{}.1", page_name(command)));
  out.write(man_page(command));
  out.commit();
}

void write_all(const CLI::App& tool, const std::string& folder) {
  std::filesystem::create_directories(folder);
  write_page(tool, folder);
  for (const CLI::App* command : commands_of(tool)) {
    write_page(*command, folder);
  }
}

const CLI::App& command_of(const CLI::App& tool, const std::string& name) {
  std::vector<std::string_view> known;
  for (const CLI::App* command : commands_of(tool)) {
    if (command->get_name() == name) {
      return *command;
    }
    known.emplace_back(command->get_name());
  }
  throw ConfigError("man", "unknown command {}", unknown_name(name, known));
}

}  // namespace

std::function<int()> add_man(CLI::App& app) {
  auto names = std::make_shared<std::vector<std::string>>();
  auto folder = std::make_shared<std::string>();
  add_texts(app, "command", *names, "Command to describe [the whole tool]").at_most(1);
  add_text(app, "--all", *folder, "Write the pages of the tool and of all its commands into a folder").type("DIR");
  return [names, folder, &app] {
    const CLI::App& tool = *app.get_parent();
    if (!folder->empty()) {
      write_all(tool, *folder);
      return exit_done;
    }
    Output out("man", "-");
    out.write(man_page(names->empty() ? tool : command_of(tool, names->front())));
    out.commit();
    return exit_done;
  };
}

std::function<int()> add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string_view>();
  add_choice(app, "shell", *shell, "Shell that reads the script", shells).required();
  return [shell, &app] {
    Output out("completion", "-");
    out.write(completion_script(*app.get_parent(), std::string(*shell)));
    out.commit();
    return exit_done;
  };
}

}  // namespace dsasim::tool
