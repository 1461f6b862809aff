#include "options.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <iterator>
#include <limits>
#include <set>

namespace dsasim::tool {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* config_option = "--config";

Json read_object(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw SystemError(path, "cannot be opened");
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  // The library keeps the last of two equal keys; in a configuration both together are a mistake.
  std::vector<std::set<std::string>> open;
  const auto refuse_duplicates = [&](int /*depth*/, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open.pop_back();
    } else if (event == Json::parse_event_t::key && !open.back().insert(parsed.get<std::string>()).second) {
      throw ConfigError(path, "duplicate key {}", parsed.dump());
    }
    return true;
  };
  try {
    Json document = Json::parse(text, refuse_duplicates, /*allow_exceptions=*/true, /*ignore_comments=*/true);
    if (!document.is_object()) {
      throw ConfigError(path, "expected an object of options, found {}", document.type_name());
    }
    return document;
  } catch (const Json::exception& error) {
    throw ConfigError(path, "{}", error.what());
  }
}

std::vector<std::string> option_names(const CLI::App& app) {
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

std::string as_text(const std::string& where, const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (value.is_number() || value.is_boolean()) {
    return value.dump();
  }
  throw ConfigError(where, "expected a string, a number, true or false, found {}", value.dump());
}

/// Converts what was added to the option; an error says that it comes from the file.
void set(CLI::Option& option, const std::string& where) {
  try {
    option.run_callback();
  } catch (const ConfigError& error) {
    throw ConfigError(where, "{}", error.what());
  } catch (const CLI::Error& error) {
    throw ConfigError(where, "{}", error.what());
  }
}

}  // namespace

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
  const auto known = option_names(app);
  const Json document = read_object(path);  // items() refers to it
  for (const auto& [key, value] : document.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      throw ConfigError(path, "unknown key \"{}\"; known: {}", key, fmt::join(known, ", "));
    }
    CLI::Option* option = app.get_option("--" + key);
    if (option->count() > 0) {
      continue;
    }
    const std::string where = fmt::format("{}: /{}", path, key);
    if (value.is_array()) {
      if (value.empty()) {
        throw ConfigError(where, "expected at least one value, found []");  // CLI11 would call the option without any
      }
      for (const Json& item : value) {
        option->add_result(as_text(where, item));
      }
    } else {
      option->add_result(as_text(where, value));
    }
    set(*option, where);
  }
}

}  // namespace dsasim::tool
