#pragma once

#include "dsasim/import/import.hpp"

namespace dsasim {

// One function for each row of the list in formats.cpp.
ImportFormat npz_format();          // npz.cpp
ImportFormat npy_format();          // npy_format.cpp
ImportFormat safetensors_format();  // safetensors.cpp
ImportFormat sgltopk_format();      // sgltopk.cpp
ImportFormat sglang_format();       // sglang.cpp
ImportFormat vllm_format();         // vllm.cpp
ImportFormat jsonl_format();        // jsonl.cpp
ImportFormat qsa_format();          // qsa.cpp
ImportFormat csv_format();          // csv.cpp

}  // namespace dsasim
