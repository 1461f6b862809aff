#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace dsasim {

/// What one (step, layer) fetches for all requests of the batch together: one kernel serves the batch.
struct Gather {
  std::uint64_t missed_rows = 0;
  std::uint64_t missed_pages = 0;  ///< distinct pages of each request's misses, added up
};

/// The time of a gather inside the kernel. A new model is one file in src/memory/ and a row in src/memory/models.cpp.
class MemoryModel {
 public:
  virtual ~MemoryModel() = default;
  virtual double gather_ns(const Gather& gather) const = 0;
};

/// What the user chose and set: `--memory`, and the parameters of the models.
struct MemorySpec {
  std::string name = "serial";
  double miss_ns = 200;  ///< serial: of a missed page; the paper's value
};

struct MemoryDescription {
  std::string_view name;
  std::string_view sentence;
  std::string_view parameters;
  std::string_view source;
  std::unique_ptr<const MemoryModel> (*make)(const MemorySpec& spec);
};

std::span<const MemoryDescription> memory_models();

/// Throws ConfigError for an unknown name, naming the known ones, and for parameters out of range.
std::unique_ptr<const MemoryModel> make_memory_model(const MemorySpec& spec);

}  // namespace dsasim
