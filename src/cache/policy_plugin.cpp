// Policies that are not of the list: registered by the program, or loaded from a file.

#include "dsasim/cache/policy_plugin.hpp"

#include "cache/policy_list.hpp"
#include "dsasim/error.hpp"
#include "dsasim/version.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

namespace dsasim {
namespace {

/// Nothing is taken away again: specs name what is there, and caches run its code.
struct Registered {
  std::mutex mutex;
  std::vector<PolicyRow> rows;
};

Registered& registered() {
  static Registered all;
  return all;
}

const PolicyPlugin& open_plugin(const std::string& path, std::string_view where) {
  if (!std::filesystem::exists(path)) {
    throw ConfigError(where, "{} cannot be opened: No such file or directory", path);
  }
  // An absolute path: what has no slash would be sought where the system has its libraries.
  void* const library = ::dlopen(std::filesystem::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw ConfigError(where, "{} cannot be loaded: {}", path, ::dlerror());
  }
  const void* const symbol = ::dlsym(library, "dsasim_policy_plugin");
  if (symbol == nullptr) {
    throw ConfigError(where, "{} has no policy; expected DSASIM_POLICY(...) in its source", path);
  }
  return *static_cast<const PolicyPlugin*>(symbol);
}

}  // namespace

std::vector<PolicyRow> registered_policies() {
  const std::lock_guard lock(registered().mutex);
  return registered().rows;
}

void register_policies(std::span<const PolicyRow> rows, std::string_view where) {
  for (const PolicyRow& known : policy_rows()) {
    if (std::any_of(rows.begin(), rows.end(), [&](const PolicyRow& row) { return row.name == known.name; })) {
      throw ConfigError(where, "expected a policy of a new name, found \"{}\", which there is already", known.name);
    }
  }
  const std::lock_guard lock(registered().mutex);
  registered().rows.insert(registered().rows.end(), rows.begin(), rows.end());
}

std::string load_policy(const std::string& path, std::string_view where) {
  static std::mutex mutex;
  static std::map<const PolicyPlugin*, std::string> loaded;
  const std::lock_guard lock(mutex);
  const PolicyPlugin& plugin = open_plugin(path, where);
  if (plugin.interface != PolicyInterface{}) {
    throw ConfigError(where, "{} was compiled with other headers than those of this dsasim {}; compile it with these",
                      path, version());
  }
  if (const auto found = loaded.find(&plugin); found != loaded.end()) {
    return found->second;
  }
  register_policies(plugin.rows, where);
  return loaded.emplace(&plugin, plugin.rows.front().name).first->second;
}

}  // namespace dsasim
