#include "command.hpp"
#include "options.hpp"
#include "output.hpp"
#include "result.hpp"

#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"

#include <fmt/core.h>

#include <memory>
#include <string>

namespace dsasim::tool {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string path;
  Result result;
};

/// What was found, and the sentence about it.
struct Verdict {
  Json document;
  std::string text;
  int status = exit_negative;
};

Json document_of(const char* status, const Json& chunks, const Json& accesses, const Json& digest,
                 const Json& message) {
  return {{"schema", "dsasim-verify/1"}, {"status", status}, {"chunks", chunks},
          {"accesses", accesses},        {"digest", digest}, {"message", message}};
}

Verdict verify(const std::string& path) {
  try {
    const TraceReader trace(path, {.allow_truncated = true});
    Progress progress("verify");
    trace.verify([&](std::uint64_t done) { progress.update(done, trace.accesses()); });
    if (trace.truncated()) {
      const std::string message =
          fmt::format("no end record; {} whole chunks with {} ids can be read with --allow-truncated",
                      trace.chunk_count(), trace.accesses());
      return {.document = document_of("truncated", trace.chunk_count(), trace.accesses(), nullptr, message),
              .text = fmt::format("truncated: {}: {}\n", path, message)};
    }
    return {.document = document_of("ok", trace.chunk_count(), trace.accesses(), trace.digest(), nullptr),
            .text = fmt::format("ok: {}: {} chunks, {} ids, digest {}\n", path, trace.chunk_count(), trace.accesses(),
                                trace.digest()),
            .status = exit_done};
  } catch (const TraceError& error) {
    const std::string message = with_options(error.what());
    return {.document = document_of("damaged", nullptr, nullptr, nullptr, message),
            .text = fmt::format("damaged: {}\n", message)};
  }
}

int run(Options& options) {
  options.result.open();
  const Verdict verdict = verify(options.path);
  options.result.write([&] { return json_text(verdict.document); }, [&] { return verdict.text; });
  return verdict.status;
}

}  // namespace

std::function<int()> add_verify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_text(app, "trace", options->path, "Trace to check (.dsat)").required().type("TRACE");
  options->result.add_options(app, "what was found");
  return [options] { return run(*options); };
}

}  // namespace dsasim::tool
