#pragma once

#include "dsasim/error.hpp"
#include "dsasim/memory/memory_model.hpp"
#include "dsasim/trace/header.hpp"

#include <CLI/CLI.hpp>

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Options with exact conversions and errors that name what would do. CLI11's own would take "010" for 8 and "4e3" as
// a parse error without an example.

namespace dsasim::tool {

template <class T>
T parse_number(std::string_view option, std::string_view text, T least, T most) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least && value <= most)) {
    throw ConfigError(option, "expected a number from {} to {}, found \"{}\"", least, most, text);
  }
  return value;
}

/// `target` is a T or an optional<T>.
template <class T, class Target>
CLI::Option* add_number(CLI::App& app, const std::string& option, Target& target, const std::string& description,
                        T least, T most) {
  return app
      .add_option_function<std::string>(
          option, [=, &target](const std::string& text) { target = parse_number<T>(option, text, least, most); },
          description)
      ->type_name("N");
}

/// Bytes: 62914560, 60MB or 60MiB.
CLI::Option* add_bytes(CLI::App& app, const std::string& option, std::uint64_t& target, const std::string& description);

/// `names` are pairs of a name and a value of the target's type.
template <class Names, class Target>
CLI::Option* add_choice(CLI::App& app, const std::string& option, Target& target, const std::string& description,
                        const Names& names) {
  std::vector<std::string_view> known;
  std::transform(names.begin(), names.end(), std::back_inserter(known), [](const auto& name) { return name.first; });
  return app
      .add_option_function<std::string>(
          option,
          [&target, &names, option, known](const std::string& text) {
            const auto found = std::find(known.begin(), known.end(), text);
            if (found == known.end()) {
              throw ConfigError(option, "expected one of {}, found \"{}\"", fmt::join(known, ", "), text);
            }
            target = names[static_cast<std::size_t>(found - known.begin())].second;
          },
          description)
      ->type_name(fmt::format("{}", fmt::join(known, "|")));
}

/// The items of a list: "16,64". With this policy an option may also be given several times, and be an array in a
/// configuration file; CLI11 joins these by newlines.
inline constexpr auto list_policy = CLI::MultiOptionPolicy::Join;
std::vector<std::string_view> list_items(std::string_view text);

/// The A and B of --steps A:B.
StepRange parse_steps(const std::string& text);

/// The names of a command's options, as keys of a configuration file.
std::vector<std::string> option_keys(const CLI::App& app);

/// What CLI11 says of a mistake, in the words of all other errors: where, what was expected, what was found.
std::string usage_text(const CLI::Error& error);

/// Sets an option from texts that stand at `where`, which begins errors.
void set_option(CLI::Option& option, std::span<const std::string> texts, const std::string& where);

/// Options that take effect only where something holds. Asked once all options of a command are known, also those of
/// --config: an option that was given and would do nothing is refused, and the message says what would make it apply.
class OptionRules {
 public:
  /// `options` are of `app`, declared before. `expected` completes "has no effect here; expected ...".
  void only_if(const CLI::App& app, std::initializer_list<const char*> options, std::function<bool()> applies,
               std::string expected);
  void check() const;

 private:
  struct Rule {
    std::vector<const CLI::Option*> options;
    std::function<bool()> applies;
    std::string expected;
  };
  std::vector<Rule> rules_;
};

/// Refuses options that exclude each other (CLI::Option::excludes), wherever they were given.
void check_exclusions(const CLI::App& app);

/// `--memory` and `--miss-ns`; `default_text` ends the description.
void add_memory_options(CLI::App& app, MemorySpec& memory, const std::string& default_text);

/// Adds --config to a command.
void add_config_option(CLI::App& app);

/// Reads the file of --config, if one was given, and sets every option that the command line left alone, and
/// gave no other in the place of. Throws ConfigError for what is no JSON object, a key given twice, and keys that are
/// no option of the command.
void apply_config_file(CLI::App& app);

}  // namespace dsasim::tool
