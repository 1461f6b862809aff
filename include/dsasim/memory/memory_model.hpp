#pragma once

#include "dsasim/config/config_object.hpp"
#include "dsasim/model/energy.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dsasim {

/// A gather by the kernel of a hot buffer: for each request it looks the selection up among the slots, and copies what
/// they lack, a warp a row. The request that lacks most keeps its warps at work longest.
struct SwapIn {
  std::uint64_t requests = 0;
  std::uint64_t most_missed_rows = 0;  ///< of one request
  std::uint64_t selected_rows = 0;     ///< that each request looks up; 0: the context fits the slots, nothing is
  std::uint64_t slots = 0;             ///< of each request's buffer; likewise
};

/// What one (step, layer) gathers for all requests of the batch together: one kernel serves the batch.
struct Gather {
  std::uint64_t row_bytes = 0;     ///< of a row in one layer; 0 only if the model does not need it
  std::uint64_t hit_rows = 0;      ///< rows that the reservation holds
  std::uint64_t missed_rows = 0;   ///< rows that it does not
  std::uint64_t missed_pages = 0;  ///< distinct pages of each request's misses, added up
  /// Of the missed rows: how many the ordinary part of the last-level cache holds entirely, and the bytes (of whole
  /// sectors) that it holds beyond these rows. Both 0 without such a cache.
  std::uint64_t llc_rows = 0;
  std::uint64_t llc_bytes = 0;
  /// Addresses of the 64-byte lines to be read from memory, in the order of the rows; given only to models that need
  /// them.
  std::span<const std::uint64_t> lines = {};
  /// None: a kernel that is told the rows, and looks nothing up.
  std::optional<SwapIn> swap_in = {};

  std::uint64_t rows() const noexcept { return hit_rows + missed_rows; }
};

/// What a model must be told of a gather.
struct MemoryNeeds {
  bool row_bytes = false;
  bool lines = false;
  bool llc = false;  ///< which rows and bytes the last-level cache holds; without, all that is missed has its price
};

/// The time of a gather. A new model is a header and a source in src/memory/ and a row in src/memory/models.cpp. Models
/// may keep scratch memory, but no gather depends on those before it.
class MemoryModel {
 public:
  virtual ~MemoryModel() = default;
  virtual MemoryNeeds needs() const noexcept { return {}; }
  /// Inside the kernel: from its first request to its last row.
  virtual double gather_ns(const Gather& gather) = 0;
  /// Of the whole launch: also starting the kernel and reading the indices, where the model knows of them.
  virtual double launch_ns(const Gather& gather) { return gather_ns(gather); }
  /// Gathers in a row all read the same `hot_bytes` and each other `cold_bytes`: how much of the hot part the
  /// last-level cache still holds when the next one comes, from 0 to 1. 1 if the model knows of no such cache.
  virtual double kept_share(double /*hot_bytes*/, double /*cold_bytes*/) const { return 1; }
};

/// What the user chose and set with `--memory NAME[,key=value...]`, and `--miss-ns`. NAME is that of a model, of a
/// configuration in configs/memory/, or a file; the keys are those of the configuration.
struct MemorySpec {
  std::string name;  ///< empty: that of the GPU if there is one, otherwise `serial`
  std::vector<std::pair<std::string, std::string>> parameters;
  std::optional<double> miss_ns;         ///< serial alone: of a missed page; otherwise default_miss_ns
  std::string_view option = "`memory`";  ///< that named it, for errors; a literal

  double serial_miss_ns() const noexcept { return miss_ns.value_or(default_miss_ns); }
  static constexpr double default_miss_ns = 200;  ///< the paper's value
};

/// Takes the text of `--memory`, or another option that names one, apart. Throws ConfigError for what has not this
/// form.
MemorySpec parse_memory(std::string_view text, std::string_view option = "`memory`");

struct MemoryDescription {
  std::string_view name;
  std::string_view sentence;
  std::string_view source;
  std::string_view default_config;  ///< in configs/memory/; empty for a model that has none
  std::string_view miss_time;       ///< the key of a configuration that comes closest to `serial`'s miss_ns
  std::unique_ptr<MemoryModel> (*make)(const MemorySpec& spec, ConfigObject& config);
};

std::span<const MemoryDescription> memory_models();

/// A model with all it was configured with.
struct Memory {
  std::string_view model_name;
  std::optional<ConfigObject> config;  ///< after the parameters were set; none for `serial`
  std::unique_ptr<MemoryModel> model;
  std::optional<EnergyCost> energy = {};  ///< of a bit that comes out of it; none: no source is known
};

/// Takes an empty name for `serial`. Throws ConfigError for an unknown name or parameter, naming the known ones, for
/// values out of range, and for `miss_ns` with another model than `serial`.
Memory make_memory(const MemorySpec& spec);

}  // namespace dsasim
