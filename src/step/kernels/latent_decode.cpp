#include "step/kernels/shapes.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace dsasim {
namespace {

constexpr double mega = 1e6;
/// FlashMLA's decode kernel: rows of a tile, and what its scheduler adds to each request and each part, in tiles.
constexpr std::uint64_t tile_rows = 64;
constexpr std::uint64_t overhead_tiles = 5;
/// Of a partial output of one head: 512 float32.
constexpr double partial_head_bytes = 2048;
/// Partial outputs that what is not set aside of an H200's L2 (23 MiB) holds with everything else: more of them spill.
constexpr double unspilled_mb = 9;
/// Of the fullest part: from the next tile on, the gather hides behind the products of the tiles before.
constexpr std::uint64_t exposed_tiles = 3;

constexpr std::uint64_t parts_of(std::uint64_t whole, std::uint64_t part) {
  return (whole + part - 1) / part;
}

Kernel flash_mla(const LatentDecode& shape, const Gpu& gpu, std::uint32_t padded, Kernel kernel) {
  const FlashMlaSchedule plan = flash_mla_schedule(shape.batch, padded, shape.rows, gpu.sms);
  const auto blocks = static_cast<double>(plan.blocks);
  const double filled = static_cast<double>(shape.filled) / static_cast<double>(shape.rows);
  const bool split = plan.partial_outputs > 0;
  const double partial_mb = static_cast<double>(plan.partial_outputs) * padded * partial_head_bytes / mega;
  const double spilled_mb = shape.set_aside ? std::max(0.0, partial_mb - unspilled_mb) : 0;
  // Few cold rows cost nearly as much as all: the slowest of many in flight decides.
  const double cold = std::sqrt(shape.cold);
  const auto further_tiles = static_cast<double>(std::max<std::uint64_t>(std::min(plan.blocks, exposed_tiles), 1) - 1);
  kernel.kernel_class = padded == 64 ? "flash_mla_64" : "flash_mla_128";
  kernel.terms = {{"start_ns", 1},
                  {"block_ns", blocks * filled},
                  {"empty_block_ns", blocks * (1 - filled)},
                  {"shared_block_ns", blocks * filled * plan.share},
                  {"piece_ns", static_cast<double>(plan.pieces - 1)},
                  {"combine_ns", split ? 1.0 : 0.0},
                  {"split_ns", static_cast<double>(plan.most_splits)},
                  {"partial_mb_ns", partial_mb},
                  {"cold_part_ns", cold},
                  {"cold_tile_ns", cold * further_tiles},
                  {"set_aside_mb2_ns", spilled_mb * spilled_mb}};
  return kernel;
}

Kernel streamed(const LatentDecode& shape, const Gpu& gpu, const KernelTable& table, Kernel kernel) {
  constexpr double full_selection = 2048;
  const auto batch = static_cast<double>(shape.batch);
  const auto filled = static_cast<double>(shape.filled);
  kernel.kernel_class =
      shape.kv == KvType::fp8 && table.has("sparse_attention_fp8") ? "sparse_attention_fp8" : "sparse_attention_bf16";
  kernel.terms = {{"wave_ns", static_cast<double>(parts_of(shape.batch, gpu.sms))},
                  {"request_share_ns", batch / gpu.sms},
                  {"depth_ns", std::min(1.0, filled / full_selection)},
                  {"row_mb_ns", batch * filled * static_cast<double>(shape.row_bytes) / mega},
                  {"head_ns", batch * shape.heads / 1e3}};
  return kernel;
}

}  // namespace

FlashMlaSchedule flash_mla_schedule(std::uint64_t batch, std::uint32_t padded_heads, std::uint64_t rows,
                                    std::uint32_t sms) {
  const std::uint64_t parts = std::max<std::uint64_t>(1, std::uint64_t{sms} * 64 / padded_heads);
  const std::uint64_t tiles = parts_of(rows, tile_rows);
  const std::uint64_t payload = parts_of(batch * (tiles + overhead_tiles), parts) + overhead_tiles;
  FlashMlaSchedule plan;
  std::uint64_t request = 0;
  std::uint64_t done = 0;    // tiles of this request
  std::uint64_t splits = 0;  // pieces of it so far
  std::uint64_t used = 0;
  double fullest = -1;
  const auto close_request = [&] {
    if (splits > 1) {
      plan.most_splits = std::max(plan.most_splits, splits);
      plan.partial_outputs += splits;
    }
    ++request;
    done = 0;
    splits = 0;
  };
  for (; request < batch && used < parts; ++used) {
    std::uint64_t room = payload;
    std::uint64_t blocks = 0;
    std::uint64_t pieces = 0;
    while (request < batch && room > overhead_tiles) {
      const std::uint64_t taken = std::min(tiles - done, room - overhead_tiles);
      const bool ends = taken == tiles - done;
      blocks += taken;
      done += taken;
      room -= taken + overhead_tiles;
      ++pieces;
      ++splits;
      if (!ends) {
        break;
      }
      close_request();
    }
    constexpr double tiles_of_a_piece = 1.5;  // what starting another request costs, to rank parts by
    if (const double load = static_cast<double>(blocks) + tiles_of_a_piece * static_cast<double>(pieces);
        load > fullest) {
      fullest = load;
      plan.blocks = blocks;
      plan.pieces = pieces;
    }
  }
  plan.share = static_cast<double>(used) / static_cast<double>(parts);
  return plan;
}

Kernel latent_decode(const LatentDecode& shape, const Gpu& gpu, const KernelTable& table) {
  // Of one head and row: a product with 576 values and one with 512.
  constexpr double head_row_flops = 2 * (576 + 512);
  const std::uint32_t padded = shape.heads <= 64 ? 64 : 128;
  const double rows = static_cast<double>(shape.batch) * static_cast<double>(shape.filled);
  Kernel kernel = {.kernel_class = "",
                   .terms = {},
                   .bytes = rows * static_cast<double>(shape.row_bytes) * shape.cold,
                   .flops = rows * shape.heads * head_row_flops,
                   .arithmetic = Arithmetic::bf16};
  const bool scheduled = shape.selected && shape.kv == KvType::fp8 && table.has("flash_mla_64");
  return scheduled ? flash_mla(shape, gpu, padded, std::move(kernel)) : streamed(shape, gpu, table, std::move(kernel));
}

}  // namespace dsasim
