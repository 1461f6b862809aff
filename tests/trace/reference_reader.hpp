#pragma once

#include "trace/model.hpp"

// A second reader of .dsat files, written from docs/trace-format.md alone and sharing nothing with src/: slow, plain,
// and for whole and undamaged files only. That it reads what TraceWriter writes shows that the document suffices.

namespace traces {

/// Throws std::runtime_error for a file that is not as the document says.
Model read_by_the_document(const Bytes& file);

/// The lane's content before zstd.
Bytes decompress(const Bytes& frame, std::size_t plain_bytes);

}  // namespace traces
