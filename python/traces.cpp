// Traces as Python objects: NumPy arrays of the ids that a step selected, and a writer that takes such arrays.

#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"
#include "dsasim/trace/writer.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nb = nanobind;

namespace dsasim::python {
namespace {

template <class Value>
using Array = nb::ndarray<nb::numpy, Value, nb::ndim<1>>;
template <class Value>
using GivenArray = nb::ndarray<const Value, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

/// An array that owns what it shows.
template <class Value>
Array<Value> array_of(std::vector<Value> values) {
  auto kept = std::make_unique<std::vector<Value>>(std::move(values));
  auto* const data = kept->data();
  const std::size_t size = kept->size();
  const nb::capsule owner(kept.get(), [](void* p) noexcept { delete static_cast<std::vector<Value>*>(p); });
  kept.release();
  return Array<Value>(data, {size}, owner);
}

/// The selections of one request at one step: by query, one layer behind the other.
struct Step {
  std::vector<std::uint32_t> ids;
  std::vector<std::uint16_t> scores;  ///< raw float16 values; empty where the trace has none
  std::vector<std::uint64_t> begins;  ///< by query and layer, and the end of the last
  DecodeStep queries;
};

/// An open trace. A request's cursor stays where it was, so that steps in order are decoded once.
class Trace {
 public:
  Trace(const std::filesystem::path& path, bool allow_truncated)
      : reader_(path, {.allow_truncated = allow_truncated}), cursors_(reader_.request_count()) {}

  const TraceReader& reader() const noexcept { return reader_; }

  std::uint64_t steps_of(std::uint32_t request) const {
    check("request", request, reader_.request_count());
    return reader_.extent(request).steps;
  }

  Step step(std::uint32_t request, std::uint64_t step) {
    check("step", step, steps_of(request));
    const std::scoped_lock lock(mutex_);
    Cursor& at = cursors_[request];
    if (!at.cursor || step < at.next) {
      at = {.cursor = std::make_unique<RequestCursor>(reader_, request, step, reader_.extent(request).steps),
            .next = step};
    }
    for (; at.next <= step; ++at.next) {
      at.cursor->next();
    }
    Step found;
    found.queries = at.cursor->queries();
    const std::uint32_t layers = reader_.layer_count();
    for (std::uint32_t row = 0; row < found.queries.queries * layers; ++row) {
      const SelectionView selection = at.cursor->selection_of(row / layers, row % layers);
      found.begins.push_back(found.ids.size());
      std::transform(selection.ids, selection.ids + selection.size, std::back_inserter(found.ids),
                     [](EntryId id) { return value(id); });
      if (selection.scores != nullptr) {
        found.scores.insert(found.scores.end(), selection.scores, selection.scores + selection.size);
      }
    }
    found.begins.push_back(found.ids.size());
    return found;
  }

 private:
  struct Cursor {
    std::unique_ptr<RequestCursor> cursor;
    std::uint64_t next = 0;  ///< the step that it moves to next
  };

  static void check(const char* what, std::uint64_t found, std::uint64_t limit) {
    if (found >= limit) {
      throw nb::index_error(fmt::format("{}: expected below {}, found {}", what, limit, found).c_str());
    }
  }

  TraceReader reader_;
  std::mutex mutex_;
  std::vector<Cursor> cursors_;
};

TraceHeader header_of(std::uint32_t layers, const std::vector<std::uint64_t>& prompt_tokens,
                      const std::vector<std::uint32_t>& start_steps, std::uint64_t entry_bytes,
                      std::uint32_t unit_tokens, std::uint32_t page_tokens, bool scores, bool queries,
                      std::string model, std::string provenance) {
  if (!start_steps.empty() && start_steps.size() != prompt_tokens.size()) {
    throw ConfigError("`start_steps`", "expected one for each of {} requests, found {}", prompt_tokens.size(),
                      start_steps.size());
  }
  if (layers > TraceHeader::max_layers) {
    throw ConfigError("`layers`", "expected at most {}, found {}", TraceHeader::max_layers, layers);
  }
  TraceHeader header;
  header.model = std::move(model);
  header.provenance = std::move(provenance);
  header.unit_tokens = unit_tokens;
  header.page_tokens = page_tokens;
  header.entry_bytes = entry_bytes;
  header.has_scores = scores;
  header.has_queries = queries;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    header.layers.push_back({.model_layer = layer});
  }
  for (std::size_t i = 0; i < prompt_tokens.size(); ++i) {
    header.requests.push_back(
        {.prompt_tokens = prompt_tokens[i], .start_step = start_steps.empty() ? 0 : start_steps[i]});
  }
  return header;
}

void add_reader(nb::module_& module) {
  nb::class_<Trace>(module, "TraceFile", "An open .dsat file. `dsasim.Trace` is its public form.")
      .def(nb::init<const std::filesystem::path&, bool>(), nb::arg("path"), nb::arg("allow_truncated") = false,
           nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("name", [](const Trace& t) { return t.reader().name(); })
      .def_prop_ro("requests", [](const Trace& t) { return t.reader().request_count(); })
      .def_prop_ro("layers", [](const Trace& t) { return t.reader().layer_count(); })
      .def_prop_ro("top_k", [](const Trace& t) { return t.reader().longest_selection(); })
      .def_prop_ro("accesses", [](const Trace& t) { return t.reader().accesses(); })
      .def_prop_ro("batch_steps", [](const Trace& t) { return t.reader().batch_steps(); })
      .def_prop_ro("truncated", [](const Trace& t) { return t.reader().truncated(); })
      .def_prop_ro("model", [](const Trace& t) { return t.reader().header().model; })
      .def_prop_ro("provenance", [](const Trace& t) { return t.reader().header().provenance; })
      .def_prop_ro("entry_bytes", [](const Trace& t) { return t.reader().header().entry_bytes; })
      .def_prop_ro("unit_tokens", [](const Trace& t) { return t.reader().header().unit_tokens; })
      .def_prop_ro("page_tokens", [](const Trace& t) { return t.reader().header().page_tokens; })
      .def_prop_ro("has_scores", [](const Trace& t) { return t.reader().header().has_scores; })
      .def_prop_ro("prompt_tokens",
                   [](const Trace& t) {
                     std::vector<std::uint64_t> tokens;
                     for (const RequestInfo& request : t.reader().header().requests) {
                       tokens.push_back(request.prompt_tokens);
                     }
                     return tokens;
                   })
      .def("steps_of", &Trace::steps_of, nb::arg("request"))
      .def(
          "digest", [](const Trace& t) { return t.reader().digest(); }, nb::call_guard<nb::gil_scoped_release>())
      .def(
          "verify", [](const Trace& t) { t.reader().verify(); }, nb::call_guard<nb::gil_scoped_release>())
      .def(
          "step",
          [](Trace& t, std::uint32_t request, std::uint64_t step) {
            Step found;
            {
              const nb::gil_scoped_release release;
              found = t.step(request, step);
            }
            return nb::make_tuple(
                array_of(std::move(found.ids)), array_of(std::move(found.begins)),
                t.reader().header().has_scores ? nb::cast(array_of(std::move(found.scores))) : nb::none(),
                found.queries.queries, found.queries.accepted);
          },
          nb::arg("request"), nb::arg("step"),
          "Ids of all queries, of each one layer behind the other; where each begins, and the end; raw float16 scores; "
          "queries; those accepted.");
}

void add_writer(nb::module_& module) {
  nb::class_<TraceWriter>(module, "TraceFileWriter", "Writes a .dsat file. `dsasim.TraceWriter` is its public form.")
      .def(
          "__init__",
          [](TraceWriter* self, const std::filesystem::path& path, std::uint32_t layers,
             const std::vector<std::uint64_t>& prompt_tokens, const std::vector<std::uint32_t>& start_steps,
             std::uint64_t entry_bytes, std::uint32_t unit_tokens, std::uint32_t page_tokens, bool scores, bool queries,
             std::string model, std::string provenance) {
            new (self)
                TraceWriter(path, header_of(layers, prompt_tokens, start_steps, entry_bytes, unit_tokens, page_tokens,
                                            scores, queries, std::move(model), std::move(provenance)));
          },
          nb::arg("path"), nb::arg("layers"), nb::arg("prompt_tokens"), nb::arg("start_steps"), nb::arg("entry_bytes"),
          nb::arg("unit_tokens"), nb::arg("page_tokens"), nb::arg("scores"), nb::arg("queries"), nb::arg("model"),
          nb::arg("provenance"))
      .def(
          "append",
          [](TraceWriter& writer, std::uint32_t request, const GivenArray<std::uint32_t>& ids,
             const std::optional<GivenArray<std::uint16_t>>& scores) {
            std::vector<EntryId> entries(ids.size());
            std::transform(ids.data(), ids.data() + ids.size(), entries.begin(),
                           [](std::uint32_t id) { return EntryId{id}; });
            writer.append(request, entries,
                          scores ? std::span(scores->data(), scores->size()) : std::span<const std::uint16_t>());
          },
          nb::arg("request"), nb::arg("ids"), nb::arg("scores").none())
      .def("begin_step", &TraceWriter::begin_step, nb::arg("request"), nb::arg("queries"), nb::arg("accepted"))
      .def("finish", &TraceWriter::finish, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace
}  // namespace dsasim::python

NB_MODULE(_traces, module) {
  module.doc() = "Traces: the compiled part of the package.";
  const nb::exception<dsasim::Error> error(module, "Error");
  nb::exception<dsasim::ConfigError>(module, "ConfigError", error);
  nb::exception<dsasim::TraceError>(module, "TraceError", error);
  nb::exception<dsasim::SystemError>(module, "SystemError", error);
  dsasim::python::add_reader(module);
  dsasim::python::add_writer(module);
}
