// Reads any bytes as a scrape and compares it with a report. Only an Error of one line may come of it; what is compared
// has the report's numbers.
//
// The first byte says how many workers there are; the rest is the scrape, with an earlier one and a zero before it if
// there is a zero.

#include "dsasim/diff/scrape.hpp"
#include "dsasim/error.hpp"
#include "fuzz/fuzzing.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace dsasim;

const NamedText report = {.path = "r.json", .text = R"({"schema": "dsasim-report/1", "config": {"entry_bytes": 656},
                                      "totals": {"hits": 400, "misses": 100, "fetched_bytes": 65600},
                                      "layers": [{"layer": 0, "misses": 100}]})"};

bool is_plain_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char byte) { return byte >= ' ' && byte <= '~'; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string bytes(data + 1, data + size);
  const std::size_t end = bytes.find('\0');
  const NamedText scrape = {.path = "s.txt", .text = bytes.substr(end == std::string::npos ? 0 : end + 1)};
  if (!is_scrape(scrape.text)) {
    return 0;
  }
  ScrapeOptions options{.since = {}, .workers = std::uint64_t{1} + data[0]};
  if (end != std::string::npos) {
    options.since = NamedText{.path = "before.txt", .text = bytes.substr(0, end)};
  }
  try {
    const CounterDiff found = diff_counters(report, scrape, options, {});
    require(found.sources.starts_with("r.json: hits " + std::to_string(400 * options.workers) + ", misses "));
    require(found.result.compared_values >= 4);
  } catch (const Error& error) {
    require(is_plain_line(error.what()));
  }
  return 0;
}
