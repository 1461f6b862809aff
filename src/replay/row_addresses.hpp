#pragma once

#include "dsasim/checked.hpp"
#include "dsasim/trace/reader.hpp"
#include "dsasim/types.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace dsasim {

/// Where the KV rows of a trace lie: in one pool, for each layer its requests one after the other, rows back to back.
/// The layers of a group have rows of their own.
class RowAddresses {
 public:
  RowAddresses(const TraceReader& trace, std::uint64_t row_bytes)
      : row_bytes_(row_bytes), requests_(trace.request_count()) {
    constexpr std::string_view pool = "the bytes of all rows";
    std::uint64_t first = 0;
    for (const LayerInfo& layer : trace.header().layers) {
      for (std::uint32_t request = 0; request < requests_; ++request) {
        const std::uint64_t count = trace.extent(request).id_limit;
        rows_.push_back({.first = first, .count = count});
        first = checked_sum(first, count * layer.group_size, pool);
      }
    }
    checked_sum(pool_address, checked_product(first, row_bytes, pool), pool);  // addresses are no longer than this
  }

  /// `member` numbers the layers of the group, from its owner on.
  std::uint64_t address(std::uint32_t layer, std::uint32_t request, std::uint32_t member,
                        EntryId entry) const noexcept {
    const Rows& rows = rows_[std::size_t{layer} * requests_ + request];
    return pool_address + (rows.first + member * rows.count + value(entry)) * row_bytes_;
  }

 private:
  /// Not 0, as no real pool's is.
  static constexpr std::uint64_t pool_address = 0x1000'0000;
  struct Rows {
    std::uint64_t first;
    std::uint64_t count;
  };
  std::uint64_t row_bytes_;
  std::uint32_t requests_;
  std::vector<Rows> rows_;
};

}  // namespace dsasim
