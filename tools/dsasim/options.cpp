#include "options.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/config/names.hpp"
#include "dsasim/import/arrivals.hpp"

#include <CLI/CLI.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace dsasim::tool {
namespace {

constexpr const char* config_option = "--config";
constexpr const char* option_files = "configs";  // configs/*.json; the folders in it have other objects

/// Sets an option from texts that stand at `where`, which begins errors.
void set_option(CLI::Option& option, std::span<const std::string> texts, const std::string& where) {
  for (const std::string& text : texts) {
    option.add_result(text);
  }
  try {
    option.run_callback();
  } catch (const ConfigError& error) {
    throw ConfigError(where, "{}", error.what());
  } catch (const CLI::Error& error) {
    throw ConfigError(where, "{}", usage_text(error));
  }
}

}  // namespace

Option Option::type(const std::string& name) const {
  return Option(option_->type_name(name));
}

Option Option::group(const std::string& title) const {
  return Option(option_->group(title));
}

Option Option::required() const {
  return Option(option_->required());
}

Option Option::list() const {
  return Option(option_->multi_option_policy(CLI::MultiOptionPolicy::Join));
}

Option Option::at_most(int values) const {
  return Option(option_->expected(1, values));
}

Option Option::instead_of(const Option& other) const {
  return Option(option_->excludes(other.option_));
}

std::string Option::name() const {
  return option_->get_name();
}

Option add_option(CLI::App& app, const std::string& option, const std::function<void(const std::string&)>& set,
                  const std::string& description) {
  return Option(app.add_option_function<std::string>(option, set, description));
}

std::uint64_t parse_scaled(const std::string& option, std::string_view text, std::string_view expected,
                           std::uint64_t most, std::span<const Suffix> suffixes) {
  std::string_view digits = text;
  std::uint64_t units = 1;
  for (const Suffix& suffix : suffixes) {
    if (text.ends_with(suffix.text)) {
      digits.remove_suffix(suffix.text.size());
      units = suffix.units;
      break;
    }
  }
  try {
    return parse_number<std::uint64_t>(option, digits, 1, most / units) * units;
  } catch (const ConfigError&) {
    throw ConfigError(option, "expected {}, found \"{}\"", expected, text);
  }
}

Option add_tokens(CLI::App& app, const std::string& option, std::uint64_t& target, const std::string& description,
                  std::uint64_t most) {
  static constexpr std::array suffixes{Suffix{"K", 1U << 10U}, Suffix{"M", 1U << 20U}};
  const auto set = [=, &target](const std::string& text) {
    const std::string expected = fmt::format("tokens from 1 to {}, as in 32768, 32K or 1M", most);
    target = parse_scaled(option, text, expected, most, suffixes);
  };
  return add_option(app, option, set, description + ": 32768, 32K (1,024 each), 1M").type("N|NK|NM");
}

Option add_text(CLI::App& app, const std::string& option, std::string& target, const std::string& description) {
  return Option(app.add_option(option, target, description));
}

Option add_texts(CLI::App& app, const std::string& option, std::vector<std::string>& target,
                 const std::string& description) {
  return Option(app.add_option(option, target, description));
}

Option add_flag(CLI::App& app, const std::string& option, bool& target, const std::string& description) {
  return Option(app.add_flag(option, target, description));
}

Option add_flag(CLI::App& app, const std::string& option, std::function<void(const std::string&)> set,
                const std::string& description) {
  return Option(app.add_flag(option, description)->each(std::move(set)));
}

Option find_option(CLI::App& app, const std::string& option) {
  return Option(app.get_option(option));
}

std::string option_of(std::string_view field) {
  std::string option = fmt::format("--{}", field);
  std::replace(option.begin(), option.end(), '_', '-');
  return option;
}

std::string with_options(std::string_view sentence) {
  const auto is_of_name = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  std::string out;
  for (std::size_t at = 0; at < sentence.size();) {
    const std::size_t begin = std::min(sentence.find('`', at), sentence.size());
    const std::size_t end = sentence.find('`', begin + 1);
    const bool is_field = begin < sentence.size() && end != std::string_view::npos && end > begin + 1 &&
                          std::all_of(sentence.begin() + static_cast<std::ptrdiff_t>(begin) + 1,
                                      sentence.begin() + static_cast<std::ptrdiff_t>(end), is_of_name);
    out += sentence.substr(at, begin - at);
    if (is_field) {
      out += option_of(sentence.substr(begin + 1, end - begin - 1));
      at = end + 1;
    } else {
      out += sentence.substr(begin, 1);
      at = begin + 1;
    }
  }
  return out;
}

std::vector<std::string> option_keys(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (name != "help" && name != "config") {
        names.push_back(name);
      }
    }
  }
  return names;
}

std::string usage_text(const CLI::Error& error) {
  std::string text = error.what();
  const auto behind = [&](std::string_view mark) {
    const std::size_t at = text.find(mark);
    return at == std::string::npos ? std::string() : text.substr(at + mark.size());
  };
  const std::string name = text.substr(0, std::min(text.find(": "), text.find(' ')));
  if (text.ends_with(" is required")) {
    return fmt::format("{}: expected one, found none", name);
  }
  if (text.ends_with(" missing")) {
    return fmt::format("{}: expected a value, found none", name);
  }
  if (const std::string found = behind(" required but received "); !found.empty()) {
    const std::string most = behind(": At Most ");
    return fmt::format("{}: expected at most {}, found {}", name, most.substr(0, most.find(' ')), found);
  }
  if (const std::string flag = behind("Could not convert: "); !flag.empty()) {
    const std::size_t equals = flag.find(" = ");
    return fmt::format("{}: expected true or false, found \"{}\"", flag.substr(0, equals),
                       equals == std::string::npos ? "" : flag.substr(equals + 3));
  }
  return text;
}

void OptionRules::only_if(const CLI::App& app, std::initializer_list<std::string> options,
                          std::function<bool()> applies, std::string expected) {
  Rule rule{.options = {}, .applies = std::move(applies), .expected = std::move(expected)};
  for (const std::string& option : options) {
    rule.options.push_back(app.get_option(option));
  }
  rules_.push_back(std::move(rule));
}

void OptionRules::check() const {
  for (const Rule& rule : rules_) {
    for (const CLI::Option* option : rule.options) {
      if (option->count() > 0 && !rule.applies()) {
        throw ConfigError(option->get_name(), "has no effect here; expected {}", rule.expected);
      }
    }
  }
}

void add_arrival_options(CLI::App& app, OptionRules& rules, ArrivalOptions& arrivals) {
  constexpr double longest_step_ms = 1e6;
  add_text(app, "--arrivals", arrivals.file,
           "When each request comes in: JSON lines (timestamp in ms, input_length, output_length), or a CSV of "
           "start_step [all at step 0]")
      .type("FILE");
  add_number<double>(app, "--step-ms", arrivals.step_ms, "Time of a decode step, where arrivals have times", 0.001,
                     longest_step_ms);
  add_number<std::uint32_t>(app, "--max-batch", arrivals.max_batch,
                            "Requests that decode at a step; others wait for the first that ends [no limit]", 1,
                            1U << 20U);
  rules.only_if(
      app, {"--step-ms", "--max-batch"}, [&arrivals] { return !arrivals.file.empty(); }, "--arrivals");
}

void require(std::string_view option, bool given, std::string_view expected) {
  if (!given) {
    throw ConfigError(option, "expected {}, found none", expected);
  }
}

void check_exclusions(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const CLI::Option* other : option->get_excludes()) {
      if (option->count() > 0 && other->count() > 0) {
        throw ConfigError(option->get_name(), "goes in the place of {}, found both", other->get_name());
      }
    }
  }
}

void add_config_option(CLI::App& app) {
  app.add_option(config_option,
                 "JSON object of options, {\"policy\": \"fifo\"}, or the name of one of ours; the command line wins")
      ->type_name(fmt::format("{}|FILE.json", fmt::join(config_names(option_files), "|")));
}

void apply_config_file(CLI::App& app) {
  const CLI::Option* config = app.get_option_no_throw(config_option);
  if (config == nullptr || config->count() == 0) {
    return;
  }
  const auto path = config->as<std::string>();
  const auto known = option_keys(app);
  std::set<const CLI::Option*> on_command_line;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0) {
      on_command_line.insert(option);
    }
  }
  ConfigObject config_file = named_config(config_option, option_files, path);
  for (const std::string& key : config_file.keys()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw ConfigError(path, "unknown key {}", unknown_name(key, known));
    }
    CLI::Option* option = app.get_option("--" + key);
    const auto was_given = [&](const CLI::Option* one) { return on_command_line.contains(one); };
    const auto& instead = option->get_excludes();
    if (was_given(option) || std::any_of(instead.begin(), instead.end(), was_given)) {
      continue;
    }
    set_option(*option, config_file.texts(key), fmt::format("{}: /{}", path, key));
  }
  check_exclusions(app);
}

}  // namespace dsasim::tool
