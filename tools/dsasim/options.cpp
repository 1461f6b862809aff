#include "options.hpp"

#include "dsasim/config/bytes.hpp"
#include "dsasim/config/config_object.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace dsasim::tool {
namespace {

constexpr const char* config_option = "--config";

}  // namespace

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

CLI::Option* add_bytes(CLI::App& app, const std::string& option, std::uint64_t& target,
                       const std::string& description) {
  constexpr std::uint64_t most = std::uint64_t{1} << 44U;
  return app
      .add_option_function<std::string>(
          option, [=, &target](const std::string& text) { target = parse_bytes(option, text, most); }, description)
      ->type_name("BYTES");
}

std::vector<std::string_view> list_items(std::string_view text) {
  std::vector<std::string_view> items;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find_first_of(",\n", at), text.size());
    items.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return items;
}

StepRange parse_steps(const std::string& text) {
  const std::size_t colon = text.find(':');
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  if (colon == std::string::npos) {
    throw ConfigError("--steps", "expected A:B (from step A up to, not including, step B), found \"{}\"", text);
  }
  return {.first = parse_number<std::uint64_t>("--steps", text.substr(0, colon), 0, most),
          .last = parse_number<std::uint64_t>("--steps", text.substr(colon + 1), 0, most)};
}

void OptionRules::only_if(const CLI::App& app, std::initializer_list<const char*> options,
                          std::function<bool()> applies, std::string expected) {
  Rule rule{.options = {}, .applies = std::move(applies), .expected = std::move(expected)};
  for (const char* option : options) {
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

void check_exclusions(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const CLI::Option* other : option->get_excludes()) {
      if (option->count() > 0 && other->count() > 0) {
        throw ConfigError(option->get_name(), "goes in the place of {}, found both", other->get_name());
      }
    }
  }
}

void add_memory_options(CLI::App& app, MemorySpec& memory, const std::string& default_text) {
  app.add_option_function<std::string>(
         "--memory",
         [&](const std::string& text) {
           const std::optional<double> miss_ns = memory.miss_ns;
           memory = parse_memory(text);
           memory.miss_ns = miss_ns;
         },
         "Memory model or configuration; `dsasim memories` lists them" + default_text)
      ->type_name("NAME|FILE.json[,key=value...]");
  add_number<double>(app, "--miss-ns", memory.miss_ns, "serial: nanoseconds of a missed page [200]", 0, 1e9);
}

void add_config_option(CLI::App& app) {
  app.add_option(config_option, "JSON object of options: {\"policy\": \"fifo\"}; those on the command line win")
      ->type_name("FILE.json");
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
  ConfigObject config_file = ConfigObject::read(path);
  for (const std::string& key : config_file.keys()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw ConfigError(path, "unknown key \"{}\"; known: {}", key, fmt::join(known, ", "));
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
