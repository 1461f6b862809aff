#include "files.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/replay/replay.hpp"
#include "dsasim/trace/partial_file.hpp"

#include <CLI/CLI.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <vector>

namespace dsasim::tool {
namespace {

constexpr std::string_view output_type = "OUT";
constexpr std::array<std::string_view, 4> input_types = {"FILE", "TRACE", ".json", ".csv"};

bool is_output(const CLI::Option& option) {
  return option.get_type_name().starts_with(output_type);
}

bool is_input(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return !is_output(option) &&
         std::ranges::any_of(input_types, [&](std::string_view part) { return type.find(part) != std::string::npos; });
}

bool takes_stdin(const CLI::Option& option) {
  return option.get_type_name().ends_with("|-");
}

/// As errors call it: "--json", or "trace" for one by its place.
std::string name_of(const CLI::Option& option) {
  return option.get_lnames().empty() ? option.get_single_name() : "--" + option.get_lnames().front();
}

/// What an option reads: a name of something that is part of the library is no file, and a GPU's file names another.
std::vector<std::string> inputs_of(const CLI::Option& option) {
  std::vector<std::string> paths;
  for (const std::string& text : option.results()) {
    const std::string name = name_of(option);
    if (name == "--gpu") {
      const auto files = config_files({.model = "", .gpu = text}, {});
      paths.insert(paths.end(), files.begin(), files.end());
    } else if (name == "--memory" || name == "--model" || name == "--kernels" || name == "--config") {
      const std::string named = text.substr(0, text.find(','));
      paths.insert(paths.end(), is_config_file(named) ? 1 : 0, named);
    } else {
      paths.push_back(text);
    }
  }
  return paths;
}

}  // namespace

Option add_output_option(CLI::App& app, const std::string& names, std::string& path, const std::string& description,
                         const std::string& type) {
  return add_text(app, names, path, description).type(std::string(output_type) + type);
}

std::optional<Files::Identity> Files::identity_of(const std::string& path) {
  struct stat found {};
  const bool is_there = path == "-" ? ::fstat(STDOUT_FILENO, &found) == 0 : ::stat(path.c_str(), &found) == 0;
  if (is_there && S_ISREG(found.st_mode)) {
    return Identity{.device = found.st_dev, .inode = found.st_ino, .name = ""};
  }
  if (path == "-") {
    return Identity{.device = 0, .inode = 0, .name = path};  // a pipe takes one result
  }
  if (is_there) {
    return std::nullopt;
  }
  const std::filesystem::path end = end_of_links(path);
  const std::filesystem::path folder = end.has_parent_path() ? end.parent_path() : ".";
  if (::stat(folder.c_str(), &found) != 0) {
    return std::nullopt;
  }
  return Identity{.device = found.st_dev, .inode = found.st_ino, .name = end.filename().string()};
}

void Files::read(const std::string& what, const std::string& path) {
  if (path == "-") {
    const auto [other, is_new] = uses_.try_emplace({.device = 0, .inode = 0, .name = "stdin"}, what);
    if (!is_new) {
      throw ConfigError(what, "stdin (-) is taken by {}", other->second);
    }
  } else if (const auto file = path.empty() ? std::nullopt : identity_of(path)) {
    uses_.try_emplace(*file, what);
  }
}

void Files::write(const std::string& option, const std::string& path) {
  const auto file = path.empty() ? std::nullopt : identity_of(path);
  if (!file) {
    return;
  }
  const auto [other, is_new] = uses_.try_emplace(*file, option);
  if (is_new) {
    return;
  }
  const std::string& what = other->second;
  if (path == "-") {
    throw ConfigError(option, "stdout (-) is taken by {}", what);
  }
  throw ConfigError(option, "{} is already {}", path,
                    what.starts_with('-') ? "the file of " + what : fmt::format("the input \"{}\"", what));
}

Files files_of(const CLI::App& command) {
  Files files;
  for (const CLI::Option* option : command.get_options()) {
    if (is_input(*option)) {
      for (const std::string& path : inputs_of(*option)) {
        if (path == "-" && !takes_stdin(*option)) {
          throw ConfigError(name_of(*option),
                            "{} reads its input more than once, as stdin (-) cannot be; expected a file",
                            command.get_name());
        }
        files.read(name_of(*option), path);
      }
    }
  }
  bool writes_stdout = false;
  for (const CLI::Option* option : command.get_options()) {
    if (is_output(*option)) {
      for (const std::string& path : option->results()) {
        files.write(name_of(*option), path);
        writes_stdout |= path == "-";
      }
    }
  }
  if (!writes_stdout) {
    files.write("stdout", "-");  // what a person reads, or nothing
  }
  return files;
}

}  // namespace dsasim::tool
