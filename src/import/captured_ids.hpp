#pragma once

#include "capture.hpp"
#include "dsasim/import/import.hpp"
#include "slots.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// What the ids of a batch turned out to be.
struct CapturedIds {
  ImportedIds found;
  std::vector<SlotPages> positions;  ///< of the slots of each request, if they are known
};

/// Whether the user or a format leaves it open what ids are.
bool wants_proof(std::span<const Capture> captures, const ImportOptions& options);

/// What proves that the ids are slots; "" if nothing in this step does.
std::string find_proof(const Capture& capture, std::uint32_t request, std::uint64_t step_number,
                       const CaptureStep& step);

/// Of ids that `proof` says are slots: learns the positions that they hold, from all steps of all captures.
CapturedIds recover_positions(std::span<const Capture> captures, const ImportOptions& options,
                              const std::string& proof);

}  // namespace dsasim
