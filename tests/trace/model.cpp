#include "trace/model.hpp"

#include "catch.hpp"

#include <xxhash.h>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <set>

namespace traces {
namespace {

std::vector<dsasim::EntryId> to_entries(const std::vector<std::uint32_t>& ids) {
  std::vector<dsasim::EntryId> entries;
  std::transform(ids.begin(), ids.end(), std::back_inserter(entries), [](auto id) { return dsasim::EntryId{id}; });
  return entries;
}

template <class T>
T below(Random& random, T limit) {
  return static_cast<T>(random() % limit);
}

bool chance(Random& random, double probability) {
  return std::uniform_real_distribution<double>(0, 1)(random) < probability;
}

/// Draws the selections of one lane.
class LaneModel {
 public:
  LaneModel(Random& random, const Shape& shape) : random_(random), shape_(shape) {}

  Selection next(std::uint64_t id_limit) {
    Selection selection{.ids = draw(id_limit), .scores = {}};
    past_.insert(past_.end(), selection.ids.begin(), selection.ids.end());
    last_ = selection.ids;
    if (chance(random_, shape_.unsorted)) {
      std::shuffle(selection.ids.begin(), selection.ids.end(), random_);
    }
    for (std::size_t i = 0; shape_.scores && i < selection.ids.size(); ++i) {
      selection.scores.push_back(static_cast<std::uint16_t>(random_()));
    }
    return selection;
  }

 private:
  std::vector<std::uint32_t> draw(std::uint64_t id_limit) {
    std::uint64_t size = std::min<std::uint64_t>(shape_.selection, id_limit);
    switch (below(random_, 12U)) {
      case 0:
        return {};
      case 1:
        size = std::min<std::uint64_t>(size, 1);
        break;
      case 2:
        if (id_limit <= shape_.selection) {  // all there is
          std::vector<std::uint32_t> all(id_limit);
          std::iota(all.begin(), all.end(), 0U);
          return all;
        }
        break;
      case 3:
        size = size == 0 ? 0 : 1 + below(random_, size);
        break;
      default:
        break;
    }
    std::set<std::uint32_t> ids;
    if (size != 0 && chance(random_, 0.3)) {
      ids.insert(static_cast<std::uint32_t>(id_limit - 1));
    }
    for (const std::uint32_t id : last_) {
      if (ids.size() < size && id < id_limit && chance(random_, 0.7)) {
        ids.insert(id);
      }
    }
    while (ids.size() < size) {
      const bool returning = !past_.empty() && chance(random_, 0.3);
      const std::uint32_t id =
          returning ? past_[below(random_, past_.size())] : static_cast<std::uint32_t>(below(random_, id_limit));
      if (id < id_limit) {  // queries that were rejected saw more
        ids.insert(id);
      }
    }
    return {ids.begin(), ids.end()};
  }

  Random& random_;
  const Shape& shape_;
  std::vector<std::uint32_t> last_, past_;
};

void append(dsasim::TraceWriter& writer, std::uint32_t request, const Selection& selection) {
  writer.append(request, to_entries(selection.ids), selection.scores);
}

void put(Bytes& bytes, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
}

std::string digits_of(const XXH128_hash_t& hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

/// Layers read their own store or that of a layer before them that does.
void draw_stores(Random& random, dsasim::TraceHeader& header) {
  for (std::uint32_t layer = 0; layer < header.layers.size(); ++layer) {
    const std::uint32_t owner = below(random, layer + 1);
    if (owner < layer && header.stores[owner].kv_owner == owner) {
      header.stores.push_back(header.stores[owner]);
      continue;
    }
    header.stores.push_back({.kv_owner = layer,
                             .kv_rows = 1 + below(random, 3U),
                             .unit_tokens = 1 + below(random, 4U),
                             .entry_bytes = below(random, 1000U)});
  }
  header.unit_tokens = header.stores[0].unit_tokens;
  header.entry_bytes = header.stores[0].entry_bytes;
}

}  // namespace

Model empty_model(std::uint32_t layers, const std::vector<std::uint64_t>& prompts) {
  Model model;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    model.header.layers.push_back({.model_layer = layer, .group_size = 1});
  }
  for (const std::uint64_t prompt : prompts) {
    model.header.requests.push_back({.prompt_tokens = prompt, .start_step = 0});
  }
  model.requests.resize(prompts.size());
  return model;
}

Model random_model(Random& random, const Shape& shape) {
  std::vector<std::uint64_t> prompts;
  for (std::uint32_t request = 0; request < shape.requests; ++request) {
    prompts.push_back(below(random, shape.prompt + 1));
  }
  Model model = empty_model(shape.layers, prompts);
  model.header.model = std::string(below(random, 20U), 'm');
  model.header.provenance = std::string(below(random, 300U), '\0');
  model.header.ids = shape.physical_ids != 0 ? dsasim::IdKind::physical : dsasim::IdKind::logical;
  model.header.unit_tokens = shape.unit_tokens;
  model.header.page_tokens = below(random, 65U);
  model.header.entry_bytes = below(random, 2000U);
  model.header.has_scores = shape.scores;
  for (auto& layer : model.header.layers) {
    layer = {.model_layer = below(random, 61U), .group_size = 1 + below(random, 4U)};
  }
  model.header.has_queries = shape.queries > 0;
  model.queries.resize(shape.queries > 0 ? shape.requests : 0);
  if (shape.stores) {
    draw_stores(random, model.header);
  }
  for (std::uint32_t request = 0; request < shape.requests; ++request) {
    auto& info = model.header.requests[request];
    info.start_step = below(random, 1000U);
    std::vector<LaneModel> lanes(shape.layers, LaneModel(random, shape));
    const std::uint32_t steps = request == 0 ? shape.steps : below(random, shape.steps + 1);
    std::uint64_t context = info.prompt_tokens;
    for (std::uint32_t step = 0; step < steps; ++step) {
      Queries queries;
      if (shape.queries > 0) {
        queries.queries = below(random, shape.queries + 1);
        queries.accepted = below(random, queries.queries + 1);
        model.queries[request].push_back(queries);
      }
      Step& selections = model.requests[request].emplace_back();
      for (std::uint32_t query = 0; query < queries.queries; ++query) {
        for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
          const std::uint64_t unit = model.header.unit_of(layer);
          const std::uint64_t limit = shape.physical_ids != 0 ? shape.physical_ids : (context + query + unit) / unit;
          selections.push_back(lanes[layer].next(limit));
        }
      }
      context += queries.accepted;
    }
  }
  return model;
}

void write(const Model& model, const std::filesystem::path& path, const dsasim::WriterOptions& options,
           Random* interleave) {
  dsasim::TraceWriter writer(path, model.header, options);
  struct Place {
    std::size_t step = 0;
    std::size_t selection = 0;
  };
  std::vector<Place> at(model.requests.size());  // of each request
  std::vector<std::uint32_t> unfinished;
  for (std::uint32_t request = 0; request < model.requests.size(); ++request) {
    if (!model.requests[request].empty()) {
      unfinished.push_back(request);
    }
  }
  while (!unfinished.empty()) {
    const std::size_t pick = interleave == nullptr ? 0 : below(*interleave, unfinished.size());
    const std::uint32_t request = unfinished[pick];
    const auto& steps = model.requests[request];
    auto& [step, selection] = at[request];
    if (selection == 0 && model.header.has_queries) {
      writer.begin_step(request, model.queries[request][step].queries, model.queries[request][step].accepted);
    }
    if (selection < steps[step].size()) {
      append(writer, request, steps[step][selection++]);
    }
    if (selection == steps[step].size()) {
      ++step;
      selection = 0;
    }
    if (step == steps.size()) {
      unfinished.erase(unfinished.begin() + static_cast<std::ptrdiff_t>(pick));
    }
  }
  writer.finish();
}

std::vector<Step> read_steps(const dsasim::TraceReader& reader, std::uint32_t request, std::uint64_t first,
                             std::uint64_t last) {
  std::vector<Step> steps;
  dsasim::RequestCursor cursor(reader, request, first, last);
  while (cursor.next()) {
    Step& step = steps.emplace_back();
    for (std::uint32_t row = 0; row < cursor.queries().queries * reader.layer_count(); ++row) {
      const dsasim::SelectionView view = cursor.selection_of(row / reader.layer_count(), row % reader.layer_count());
      Selection& selection = step.emplace_back();
      std::transform(view.ids, view.ids + view.size, std::back_inserter(selection.ids),
                     [](auto id) { return value(id); });
      if (view.scores != nullptr) {
        selection.scores.assign(view.scores, view.scores + view.size);
      }
    }
  }
  return steps;
}

Model read_all(const dsasim::TraceReader& reader) {
  Model model{.header = reader.header(), .requests = {}};
  for (std::uint32_t request = 0; request < reader.request_count(); ++request) {
    model.requests.push_back(read_steps(reader, request, 0, reader.extent(request).steps));
    for (std::uint64_t step = 0; reader.header().has_queries && step < reader.extent(request).steps; ++step) {
      model.queries.resize(request + 1);
      const dsasim::DecodeStep found = reader.queries(request, step);
      model.queries[request].push_back({.queries = found.queries, .accepted = found.accepted});
    }
  }
  model.queries.resize(reader.header().has_queries ? reader.request_count() : 0);
  return model;
}

bool same_header(const dsasim::TraceHeader& a, const dsasim::TraceHeader& b) {
  const auto same_layer = [](const auto& x, const auto& y) {
    return x.model_layer == y.model_layer && x.group_size == y.group_size;
  };
  const auto same_request = [](const auto& x, const auto& y) {
    return x.prompt_tokens == y.prompt_tokens && x.start_step == y.start_step;
  };
  return a.model == b.model && a.provenance == b.provenance && a.ids == b.ids && a.unit_tokens == b.unit_tokens &&
         a.page_tokens == b.page_tokens && a.entry_bytes == b.entry_bytes && a.has_scores == b.has_scores &&
         a.has_queries == b.has_queries && a.stores == b.stores &&
         std::equal(a.layers.begin(), a.layers.end(), b.layers.begin(), b.layers.end(), same_layer) &&
         std::equal(a.requests.begin(), a.requests.end(), b.requests.begin(), b.requests.end(), same_request);
}

bool same(const Model& a, const Model& b) {
  return same_header(a.header, b.header) && a.requests == b.requests && a.queries == b.queries;
}

void check_same(const Model& found, const Model& expected) {
  REQUIRE(same_header(found.header, expected.header));
  REQUIRE(found.requests.size() == expected.requests.size());
  REQUIRE(found.queries == expected.queries);
  for (std::size_t request = 0; request < expected.requests.size(); ++request) {
    CAPTURE(request);
    REQUIRE(found.requests[request].size() == expected.requests[request].size());
    for (std::size_t step = 0; step < expected.requests[request].size(); ++step) {
      REQUIRE(found.requests[request][step].size() == expected.requests[request][step].size());
      for (std::size_t row = 0; row < expected.requests[request][step].size(); ++row) {
        if (found.requests[request][step][row] != expected.requests[request][step][row]) {
          CAPTURE(step, row);
          REQUIRE(found.requests[request][step][row].ids == expected.requests[request][step][row].ids);
          REQUIRE(found.requests[request][step][row].scores == expected.requests[request][step][row].scores);
        }
      }
    }
  }
}

std::string plain_digest(const Model& model) {
  Bytes all;
  put(all, model.header.unit_tokens, 8);
  put(all, model.header.layers.size(), 8);
  put(all, model.header.requests.size(), 8);
  for (std::size_t request = 0; request < model.requests.size(); ++request) {
    Bytes content;
    for (std::size_t number = 0; number < model.requests[request].size(); ++number) {
      if (model.header.has_queries) {
        put(content, model.queries[request][number].queries, 4);
        put(content, model.queries[request][number].accepted, 4);
      }
      for (const Selection& selection : model.requests[request][number]) {
        put(content, selection.ids.size(), 4);
        for (const std::uint32_t id : selection.ids) {
          put(content, id, 4);
        }
      }
    }
    const XXH128_hash_t hash = XXH3_128bits(content.data(), content.size());
    put(all, model.header.requests[request].prompt_tokens, 8);
    put(all, model.requests[request].size(), 8);
    put(all, hash.low64, 8);
    put(all, hash.high64, 8);
  }
  for (const dsasim::StoreInfo& store : model.header.stores) {
    put(all, store.kv_owner, 8);
    put(all, store.unit_tokens, 8);
  }
  return digits_of(XXH3_128bits(all.data(), all.size()));
}

std::string plain_replay_digest(const Model& model) {
  Bytes layers;
  for (const dsasim::LayerInfo& layer : model.header.layers) {
    put(layers, layer.model_layer, 8);
    put(layers, layer.group_size, 8);
  }
  for (const dsasim::StoreInfo& store : model.header.stores) {
    put(layers, store.kv_owner, 8);
    put(layers, store.kv_rows, 8);
    put(layers, store.unit_tokens, 8);
    put(layers, store.entry_bytes, 8);
  }
  Bytes starts;
  for (const dsasim::RequestInfo& request : model.header.requests) {
    put(starts, request.start_step, 8);
  }
  const std::string lines =
      fmt::format("digest {}\nids {}\npage_tokens {}\nentry_bytes {}\nlayers {}\nstart_steps {}\n", plain_digest(model),
                  model.header.ids == dsasim::IdKind::physical ? "physical" : "logical", model.header.page_tokens,
                  model.header.entry_bytes, digits_of(XXH3_128bits(layers.data(), layers.size())),
                  digits_of(XXH3_128bits(starts.data(), starts.size())));
  return digits_of(XXH3_128bits(lines.data(), lines.size()));
}

Bytes read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_bytes(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  REQUIRE(file.good());
}

MemoryFile::MemoryFile() : descriptor_(::memfd_create("trace", 0)) {
  REQUIRE(descriptor_ >= 0);
}

MemoryFile::~MemoryFile() {
  ::close(descriptor_);
}

void MemoryFile::write(const Bytes& bytes) {
  if (::ftruncate(descriptor_, 0) != 0 ||
      ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    FAIL("a file in memory cannot be written");
  }
}

std::filesystem::path MemoryFile::path() const {
  return fmt::format("/proc/self/fd/{}", descriptor_);
}

void check_contains(const std::string& message, std::string_view part) {
  CAPTURE(message, std::string(part));
  CHECK(message.find(part) != std::string::npos);
}

}  // namespace traces
