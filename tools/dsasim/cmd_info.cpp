#include "command.hpp"
#include "files.hpp"
#include "result.hpp"

#include "dsasim/trace/reader.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace dsasim::tool {
namespace {

using Json = nlohmann::ordered_json;

Json describe(const TraceReader& trace) {
  const TraceHeader& header = trace.header();
  Json out;
  out["schema"] = "dsasim-info/1";
  out["model"] = header.model;
  out["provenance"] = header.provenance;
  out["ids"] = name_of(header.ids);
  out["unit_tokens"] = header.unit_tokens;
  out["page_tokens"] = header.page_tokens == 0 ? Json(nullptr) : Json(header.page_tokens);
  out["entry_bytes"] = header.entry_bytes == 0 ? Json(nullptr) : Json(header.entry_bytes);
  out["scores"] = header.has_scores;
  if (header.has_queries) {
    out["most_queries"] = trace.most_queries();
    out["longest_union"] = trace.longest_union();
  }
  out["steps"] = trace.longest_request_steps();
  out["top_k"] = trace.longest_selection();
  out["accesses"] = trace.accesses();
  out["file_bytes"] = trace.file_bytes();
  out["bits_per_id"] =
      trace.accesses() == 0
          ? Json(nullptr)
          : Json(8.0 * static_cast<double>(trace.file_bytes()) / static_cast<double>(trace.accesses()));
  out["chunks"] = trace.chunk_count();
  out["truncated"] = trace.truncated();
  const TraceIdentity identity = trace.identity();
  out["digest"] = identity.front().text;
  out["replay_digest"] = replay_digest(identity);
  for (std::uint32_t i = 0; i < trace.layer_count(); ++i) {
    const LayerInfo& layer = header.layers[i];
    Json& described = out["layers"].emplace_back();
    described = {{"model_layer", layer.model_layer}, {"group_size", layer.group_size}};
    if (!header.stores.empty()) {
      const StoreInfo& store = header.stores[i];
      described["kv_owner"] = store.kv_owner;
      described["kv_rows"] = store.kv_rows;
      described["unit_tokens"] = store.unit_tokens;
      described["entry_bytes"] = store.entry_bytes == 0 ? Json(nullptr) : Json(store.entry_bytes);
    }
  }
  for (std::uint32_t i = 0; i < trace.request_count(); ++i) {
    out["requests"].push_back({{"prompt_tokens", header.requests[i].prompt_tokens},
                               {"start_step", header.requests[i].start_step},
                               {"steps", trace.extent(i).steps},
                               {"accesses", trace.extent(i).accesses},
                               {"id_limit", trace.extent(i).id_limit}});
    if (header.has_queries) {
      out["requests"].back()["queries"] = trace.extent(i).queries;
      out["requests"].back()["accepted"] = trace.extent(i).accepted;
    }
  }
  return out;
}

/// "kv_stores: 2": which layers of the trace read each, and what an entry of it is.
std::string stores_text(const Json& layers) {
  std::string out;
  auto line = std::back_inserter(out);
  std::uint64_t stores = 0;
  for (std::size_t owner = 0; owner < layers.size(); ++owner) {
    std::vector<std::size_t> readers;
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      if (layers[layer]["kv_owner"] == owner) {
        readers.push_back(layer);
      }
    }
    if (!readers.empty()) {
      ++stores;
      fmt::format_to(line, "{:>13} read by {}, {} rows of an entry of {} tokens, {} bytes each\n", owner,
                     fmt::join(readers, ", "), layers[owner]["kv_rows"].dump(), layers[owner]["unit_tokens"].dump(),
                     layers[owner]["entry_bytes"].dump());
    }
  }
  return fmt::format("{:<13} {}\n", "kv_stores", stores) + out;
}

/// The same for a person. Long lists of requests are cut.
std::string text_of(const Json& info) {
  std::string out;
  auto line = std::back_inserter(out);
  for (const auto& [key, value] : info.items()) {
    if (key != "schema" && !value.is_array()) {
      fmt::format_to(line, "{:<13} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  std::uint64_t grouped = 0;
  for (const Json& layer : info["layers"]) {
    grouped += layer["group_size"].get<std::uint64_t>();
  }
  fmt::format_to(line, "{:<13} {} that own an index, {} in all\n", "layers", info["layers"].size(), grouped);
  if (info["layers"][0].contains("kv_owner")) {
    fmt::format_to(line, "{}", stores_text(info["layers"]));
  }
  constexpr std::size_t shown = 16;
  const Json& requests = info["requests"];
  fmt::format_to(line, "{:<13} {}\n", "requests", requests.size());
  for (std::size_t i = 0; i < std::min(shown, requests.size()); ++i) {
    const std::string queries =
        requests[i].contains("queries")
            ? fmt::format(" of {} queries, {} accepted", requests[i]["queries"].dump(), requests[i]["accepted"].dump())
            : "";
    fmt::format_to(line, "{:>13} prompt {} tokens, {} steps{} from step {}, {} ids\n", i,
                   requests[i]["prompt_tokens"].dump(), requests[i]["steps"].dump(), queries,
                   requests[i]["start_step"].dump(), requests[i]["accesses"].dump());
  }
  if (requests.size() > shown) {
    fmt::format_to(line, "{:>13} {} more; --json - shows all\n", "...", requests.size() - shown);
  }
  return out;
}

}  // namespace

std::function<int()> add_info(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  auto result = std::make_shared<Result>();
  add_text(app, "trace", *path, "Trace to describe (.dsat); may be cut off").required().type("TRACE");
  result->add_options(app, "it");
  return [path, result] {
    result->open();
    const Json info = describe(TraceReader(*path, {.allow_truncated = true}));
    result->write([&] { return json_text(info); }, [&] { return text_of(info); });
    return exit_done;
  };
}

}  // namespace dsasim::tool
