#include "sweep/identity.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/version.hpp"

#include <fmt/core.h>
#include <xxhash.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <map>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

std::string long_hash(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

/// Configurations that are files of the user's.
Json config_files(const Grid& grid) {
  std::map<std::string, std::string> files;
  for (const GridAxis& axis : grid.axes()) {
    for (const std::string& value : axis.values) {
      const std::string name = value.substr(0, value.find(','));
      std::error_code error;
      if (axis.key != Grid::trace_key && is_config_file(name) && std::filesystem::is_regular_file(name, error)) {
        files[name] = long_hash(read_text(name, max_config_bytes));
      }
    }
  }
  return files;
}

Json whole_identity(const Sweep& sweep) {
  Json axes = Json::object();
  for (const GridAxis& axis : sweep.grid().axes()) {
    axes[axis.key] = axis.values;
  }
  Json traces = Json::object();
  for (const SweepTrace& trace : sweep.traces()) {
    traces[trace.path + (trace.allow_truncated ? ", perhaps truncated" : "")] = trace.digest;
  }
  return {{"version", version()},
          {"grid", axes},
          {"skip", Json::parse(sweep.grid().skip())},
          {"columns", sweep.grid().columns()},
          {"traces", traces},
          {"files", config_files(sweep.grid())}};
}

std::string change(const std::string& what, const Json& before, const Json& now) {
  return before == now ? "" : fmt::format("{} was {}, now {}", what, before.dump(), now.dump());
}

/// The first member of two objects that only one has, or whose values differ as `compare` sees it.
template <class Compare>
std::string difference(const std::string& what, const Json& before, const Json& now, const Compare& compare) {
  for (const auto& [key, value] : before.items()) {
    const std::string member = fmt::format("{}/{}", what, key);
    if (!now.contains(key)) {
      return fmt::format("{} is gone", member);
    }
    if (std::string found = compare(member, value, now.at(key)); !found.empty()) {
      return found;
    }
  }
  for (const auto& [key, value] : now.items()) {
    if (!before.contains(key)) {
      return fmt::format("{}/{} is new", what, key);
    }
  }
  return before == now ? "" : fmt::format("{} has its keys in another order", what);
}

}  // namespace

std::string sweep_identity(const Sweep& sweep, const SweepOptions& options) {
  Json identity = whole_identity(sweep);
  identity["shard"] =
      options.shard ? fmt::format("{}/{}", options.shard->number, options.shard->count) : std::string("all");
  return identity.dump();
}

std::string sweep_fingerprint(const Sweep& sweep) {
  return long_hash(whole_identity(sweep).dump());
}

std::string identity_difference(std::string_view before, std::string_view now) {
  const Json was = Json::parse(before, nullptr, /*allow_exceptions=*/false);
  if (!was.is_object()) {
    return "it cannot be read";
  }
  return difference("", was, Json::parse(now), [](const std::string& what, const Json& a, const Json& b) {
    return a.is_object() && b.is_object() ? difference(what, a, b, change) : change(what, a, b);
  });
}

}  // namespace dsasim
