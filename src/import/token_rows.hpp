#pragma once

#include "capture.hpp"

#include <cstdint>
#include <memory>

namespace dsasim {

/// Whether rows of the capture name the single tokens of entries of so many: its first step has an id that is no entry
/// of the context, and all tokens of each entry that it has one of. Stacks that expand what their indexer pools
/// (GLM-5.3-Flash) log such rows.
bool names_tokens(const Capture& capture, std::uint32_t unit_tokens);

/// The capture's file with entries in place of their tokens, in the order in which they are first named. Its source
/// throws TraceError for a row that has a part of an entry; of one that is being filled, the tokens so far are all.
std::unique_ptr<CaptureFile> join_tokens(Capture& capture, std::uint32_t unit_tokens);

}  // namespace dsasim
