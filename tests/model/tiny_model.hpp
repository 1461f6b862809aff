#pragma once

namespace dsasim {

/// Three layers: 0 and 2 select 4 entries of 2 tokens, layer 2 by the indexer of layer 0; layer 1 has a window.
inline constexpr const char* tiny_model = R"({
  "description": "tiny", "source": "a test",
  "layers": 3,
  "embedding": [100, 8],
  "head": [8, 100],
  "attention": [
    {"layers": "0", "weights": {"q": [8, 8], "kv": [8, 4], "o": [8, 8]},
     "entry_bytes": 10, "entry_flops": 64, "kv_heads": 2, "unit_tokens": 2, "top_k": 4, "owns_indexer": true},
    {"layers": "1", "weights": {"q": [8, 8]}, "entry_bytes": 6, "entry_flops": 32, "kv_heads": 1, "window_tokens": 3},
    {"weights": {"q": [2, 3, 4]}, "entry_bytes": 10, "entry_flops": 64, "kv_heads": 2, "window_tokens": 1,
     "unit_tokens": 2, "top_k": 4}
  ],
  "indexer": {"heads": 2, "dim": 4, "key_bytes": 5, "weights": {"q": [8, 8], "k": [8, 4]}},
  "ffn": [
    {"layers": "0", "weights": {"up": [8, 16], "down": [16, 8]}},
    {"weights": {"router": [8, 4]}, "experts": {"count": 4, "active": 2, "weights": {"up": [8, 2], "down": [2, 8]}}}
  ],
  "weight_bytes": {"attention": 2, "ffn": 1, "experts": 0.5, "head": 2},
  "arithmetic": {"linear": "fp8", "attention": "bf16"}
})";

}  // namespace dsasim
