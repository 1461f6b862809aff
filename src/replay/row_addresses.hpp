#pragma once

#include "dsasim/checked.hpp"
#include "dsasim/trace/reader.hpp"
#include "dsasim/types.hpp"
#include "replay/cache_unit.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Where the KV rows of a trace lie: in one pool, for each layer that owns a store its requests one after the other,
/// rows back to back. The layers of a group have rows of their own, unless they share a store.
class RowAddresses {
 public:
  /// `row_bytes` by layer, as the granularity has rows.
  RowAddresses(const TraceReader& trace, const Granularity& granularity, const std::vector<std::uint64_t>& row_bytes)
      : row_bytes_(row_bytes), requests_(trace.request_count()) {
    constexpr std::string_view pool = "the bytes of all rows";
    const TraceHeader& header = trace.header();
    rows_.resize(header.layers.size() * requests_);
    const std::vector<CacheUnit> units = cache_units(header, granularity);
    std::uint64_t first = pool_address;
    for (std::uint32_t layer = 0; layer < header.layers.size(); ++layer) {
      for (std::uint32_t request = 0; request < requests_ && header.store(layer).kv_owner == layer; ++request) {
        const std::uint64_t count = rows_below(units[layer], trace.extent(request).id_limit);
        rows_[std::size_t{layer} * requests_ + request] = {.first = first, .count = count};
        first = checked_sum(first, checked_product(count * header.kv_rows(layer), row_bytes[layer], pool), pool);
      }
    }
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      const std::uint32_t owner = header.store(static_cast<std::uint32_t>(row / requests_)).kv_owner;
      rows_[row] = rows_[std::size_t{owner} * requests_ + row % requests_];
    }
  }

  /// `member` numbers the layers of the group, from its owner on.
  std::uint64_t address(std::uint32_t layer, std::uint32_t request, std::uint32_t member,
                        EntryId entry) const noexcept {
    const Rows& rows = rows_[std::size_t{layer} * requests_ + request];
    return rows.first + (member * rows.count + value(entry)) * row_bytes_[layer];
  }

 private:
  /// Not 0, as no real pool's is.
  static constexpr std::uint64_t pool_address = 0x1000'0000;
  struct Rows {
    std::uint64_t first;  ///< address
    std::uint64_t count;
  };
  std::vector<std::uint64_t> row_bytes_;
  std::uint32_t requests_;
  std::vector<Rows> rows_;
};

}  // namespace dsasim
