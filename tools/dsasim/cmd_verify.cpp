#include "command.hpp"
#include "options.hpp"
#include "output.hpp"

#include "dsasim/error.hpp"
#include "dsasim/trace/reader.hpp"

#include <fmt/core.h>

#include <memory>
#include <string>

namespace dsasim::tool {
namespace {

int run(const std::string& path) {
  try {
    const TraceReader trace(path, {.allow_truncated = true});
    Progress progress("verify");
    trace.verify([&](std::uint64_t done) { progress.update(done, trace.accesses()); });
    if (trace.truncated()) {
      fmt::print("truncated: {}: no end record; {} whole chunks with {} ids can be read with --allow-truncated\n", path,
                 trace.chunk_count(), trace.accesses());
      return exit_negative;
    }
    fmt::print("ok: {}: {} chunks, {} ids, digest {}\n", path, trace.chunk_count(), trace.accesses(), trace.digest());
    return exit_done;
  } catch (const TraceError& error) {
    fmt::print("damaged: {}\n", with_options(error.what()));
    return exit_negative;
  }
}

}  // namespace

std::function<int()> add_verify(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  add_text(app, "trace", *path, "Trace to check (.dsat)").required().type("TRACE");
  return [path] { return run(*path); };
}

}  // namespace dsasim::tool
