#include "sweep/identity.hpp"

#include "dsasim/config/config_object.hpp"
#include "dsasim/error.hpp"
#include "dsasim/version.hpp"

#include <fmt/core.h>
#include <xxhash.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <tuple>

namespace dsasim {
namespace {

using Json = nlohmann::ordered_json;

std::string long_hash(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

/// Empty for a file that cannot be read; its reader reports the error.
std::string hash_of_file(const std::string& path) {
  try {
    return long_hash(read_text(path, max_config_bytes));
  } catch (const SystemError&) {
    return "";
  }
}

Json whole_identity(const Sweep& sweep) {
  Json axes = Json::object();
  for (const GridAxis& axis : sweep.grid().axes()) {
    axes[axis.key] = axis.values;
  }
  Json traces = Json::object();
  for (const SweepTrace& trace : sweep.traces()) {
    Json& parts = traces[trace.path + (trace.allow_truncated ? ", perhaps truncated" : "")];
    for (const IdentityPart& part : trace.identity) {
      parts[std::string(part.name)] = part.text;
    }
  }
  return {{"version", version()},
          {"grid", axes},
          {"skip", Json::parse(sweep.grid().skip())},
          {"columns", sweep.grid().columns()},
          {"traces", traces},
          {"files", sweep.files()}};
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

/// Objects member by member as `compare` sees these, all else as a whole.
template <class Compare>
auto inside(const Compare& compare) {
  return [&compare](const std::string& what, const Json& a, const Json& b) {
    return a.is_object() && b.is_object() ? difference(what, a, b, compare) : change(what, a, b);
  };
}

}  // namespace

std::string sweep_identity(const Sweep& sweep, const SweepOptions& options) {
  Json identity = whole_identity(sweep);
  identity["shard"] =
      options.shard ? fmt::format("{}/{}", options.shard->number, options.shard->count) : std::string("all");
  return identity.dump();
}

std::string identity_difference(std::string_view before, std::string_view now) {
  const Json was = Json::parse(before, nullptr, /*allow_exceptions=*/false);
  const auto parts_of_a_trace = inside(change);
  return was.is_object() ? difference("", was, Json::parse(now), inside(parts_of_a_trace)) : "it cannot be read";
}

std::string Sweep::fingerprint() const {
  return long_hash(whole_identity(*this).dump());
}

/// The files are hashed before they are used: a change in between is noticed.
void Sweep::take_files() {
  std::set<std::tuple<std::string, std::string, std::string>> seen;  // names of many points are the same few
  for (const PlannedPoint& point : points_) {
    const ReplayConfig& config = point.spec.config;
    if (seen.emplace(config.step.model, config.step.gpu, config.memory.name).second) {
      for (const std::string& path : config_files(config.step, config.memory)) {
        files_[path] = hash_of_file(path);
      }
    }
  }
}

std::string Sweep::changed_file() const {
  const auto changed =
      std::ranges::find_if(files_, [](const auto& file) { return hash_of_file(file.first) != file.second; });
  return changed == files_.end() ? "" : changed->first;
}

}  // namespace dsasim
