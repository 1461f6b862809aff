#pragma once

#include "dsasim/config/values.hpp"
#include "dsasim/memory/memory_model.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Error;
class Option;
}  // namespace CLI

namespace dsasim {
struct ArrivalOptions;
}  // namespace dsasim

// The options of a command. CLI11 parses the command line, and is included in few sources: its header takes longer to
// compile than a command. Values are read by dsasim/config/values.hpp: CLI11's own would take "010" for 8.

namespace dsasim::tool {

/// An option, or an input by its place, that was just declared: what else --help and the parser must know of it.
class Option {
 public:
  explicit Option(CLI::Option* option) noexcept : option_(option) {}

  Option type(const std::string& name) const;  ///< of its value, in --help: "N", "FILE.json"
  Option group(const std::string& title) const;
  Option required() const;
  /// Its value is a list, "16,64": see list_items(). It may then also be given several times, and be an array in a
  /// configuration file; these come joined by newlines.
  Option list() const;
  Option at_most(int values) const;
  Option instead_of(const Option& other) const;  ///< the two exclude each other
  std::string name() const;                      ///< "--capacity"

 private:
  CLI::Option* option_;
};

/// `set` is given the text.
Option add_option(CLI::App& app, const std::string& option, const std::function<void(const std::string&)>& set,
                  const std::string& description);
Option add_text(CLI::App& app, const std::string& option, std::string& target, const std::string& description);
/// Inputs by their place.
Option add_texts(CLI::App& app, const std::string& option, std::vector<std::string>& target,
                 const std::string& description);
Option add_flag(CLI::App& app, const std::string& option, bool& target, const std::string& description);
/// `set` is given "true" or "false": a configuration file may say either.
Option add_flag(CLI::App& app, const std::string& option, std::function<void(const std::string&)> set,
                const std::string& description);
/// One that was declared before.
Option find_option(CLI::App& app, const std::string& option);

/// `target` is a T or an optional<T>.
template <class T, class Target>
Option add_number(CLI::App& app, const std::string& option, Target& target, const std::string& description, T least,
                  T most) {
  const auto set = [=, &target](const std::string& text) { target = parse_number<T>(option, text, least, most); };
  return add_option(app, option, set, description).type("N");
}

/// What stands behind a number, and how many units it makes of one.
struct Suffix {
  std::string_view text;
  std::uint64_t units;
};
/// A number from 1 to `most`, of units that a suffix may name. `expected` is the error's.
std::uint64_t parse_scaled(const std::string& option, std::string_view text, std::string_view expected,
                           std::uint64_t most, std::span<const Suffix> suffixes);
/// Tokens from 1 to `most`: 32768, 32K (1,024 each) or 1M.
Option add_tokens(CLI::App& app, const std::string& option, std::uint64_t& target, const std::string& description,
                  std::uint64_t most);

/// `names` are pairs of a name and a value of the target's type.
template <class Names, class Target>
Option add_choice(CLI::App& app, const std::string& option, Target& target, const std::string& description,
                  const Names& names) {
  const auto set = [&target, &names, option](const std::string& text) { target = parse_choice(option, text, names); };
  return add_option(app, option, set, description).type(choices_text(names));
}

/// The option of a field: "--new-token".
std::string option_of(std::string_view field);

/// A sentence of the library's, with options in the places of the fields that it names in backticks.
std::string with_options(std::string_view sentence);

/// The names of a command's options, as keys of a configuration file.
std::vector<std::string> option_keys(const CLI::App& app);

/// What CLI11 says of a mistake, in the words of all other errors: where, what was expected, what was found.
std::string usage_text(const CLI::Error& error);

/// Options that take effect only where something holds. Asked once all options of a command are known, also those of
/// --config: an option that was given and would do nothing is refused, and the message says what would make it apply.
class OptionRules {
 public:
  /// `options` are of `app`, declared before. `expected` completes "has no effect here; expected ...".
  void only_if(const CLI::App& app, std::initializer_list<std::string> options, std::function<bool()> applies,
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

/// --arrivals, --step-ms and --max-batch.
void add_arrival_options(CLI::App& app, OptionRules& rules, ArrivalOptions& arrivals);

/// Refuses a command without an option that it needs. CLI11 cannot: the option may come from --config, which is read
/// after the command line.
void require(std::string_view option, bool given, std::string_view expected);

/// Refuses options that exclude each other (CLI::Option::excludes), wherever they were given.
void check_exclusions(const CLI::App& app);

/// Adds --config to a command.
void add_config_option(CLI::App& app);

/// Reads the file of --config, if one was given, and sets every option that the command line left alone, and
/// gave no other in the place of. Throws ConfigError for what is no JSON object, a key given twice, and keys that are
/// no option of the command.
void apply_config_file(CLI::App& app);

}  // namespace dsasim::tool
