#pragma once

#include "dsasim/diff/scrape.hpp"
#include "dsasim/report/prometheus.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace dsasim {

/// A count of a scrape, and where it stands.
struct ScrapeSample {
  std::uint64_t value = 0;
  std::size_t line = 0;
};

/// The counters of buffer_counters in a scrape, by their labels: `{engine="0",model_name="glm"}`.
struct Scrape {
  std::string path;
  std::array<std::map<std::string, ScrapeSample>, buffer_counters.size()> series;
  /// When a series was created, as the text has it; Python's client says so.
  std::array<std::map<std::string, std::string>, buffer_counters.size()> created;
  std::set<std::string> model_names;
};

/// Throws ConfigError as diff_counters() does.
Scrape read_scrape(const NamedText& file);

}  // namespace dsasim
