#pragma once

#include "dsasim/memory/memory_model.hpp"

#include <cstdint>
#include <optional>

namespace dsasim {

/// A gather of rows at random positions of a large pool, one of many in a row: what tools/measure/gather.cu measures.
struct RandomGather {
  std::uint64_t rows = 0;
  std::uint64_t row_bytes = 0;   ///< 0: only the indices are read
  double hot_fraction = 0;       ///< of the rows: belong to a set that every gather reads
  double reserved_fraction = 0;  ///< of the rows: lie in the reservation
  std::uint64_t pool_bytes = 48'000'000'000;
  std::uint64_t seed = 1;              ///< of the positions, for models that ask for lines
  std::optional<SwapIn> swap_in = {};  ///< rows are looked up in hot buffers, and all that are counted here are missed
};

struct RandomGatherTime {
  Gather gather;  ///< without lines
  double launch_ns = 0;
  double gather_ns = 0;
};

/// Fractions are rounded to whole rows. Of the hot rows, `model` says how many the last-level cache still holds. Each
/// of the other rows lies in a page of its own, and at a random multiple of its size in the pool if `model` wants
/// lines: xoshiro256**, generator 0 of the seed. Throws ConfigError if the fractions add up to more than 1, and if the
/// pool or the lines are more than can be handled.
RandomGatherTime price(const RandomGather& random, MemoryModel& model);

}  // namespace dsasim
