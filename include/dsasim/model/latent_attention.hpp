#pragma once

#include "dsasim/types.hpp"

#include <array>
#include <cstdint>

namespace dsasim {

/// How KV entries are stored.
enum class KvType : std::uint8_t { fp8, bf16 };
inline constexpr std::array kv_type_names = {ChoiceName<KvType>{"fp8", KvType::fp8},
                                             ChoiceName<KvType>{"bf16", KvType::bf16}};

/// The shape of multi-head latent attention (MLA): every head attends to one latent row, through absorbed projections.
struct LatentAttention {
  std::uint64_t hidden = 0;
  std::uint32_t heads = 0;
  std::uint64_t query_rank = 0;
  std::uint64_t rank = 0;   ///< of the latent row
  std::uint64_t rope = 0;   ///< beside it
  std::uint64_t nope = 0;   ///< of a head's query and key, without RoPE
  std::uint64_t value = 0;  ///< of a head

  std::uint64_t parameters() const noexcept {
    return hidden * query_rank + query_rank * heads * (nope + rope) + hidden * (rank + rope) +
           rank * heads * (nope + value) + heads * value * hidden;
  }
  /// Of an entry without quantisation.
  std::uint64_t bf16_entry_bytes() const noexcept { return 2 * (rank + rope); }
};

}  // namespace dsasim
