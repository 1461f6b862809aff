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

/// What proves that the ids of one of the captures are slots (SlotWitnesses); "" if nothing does.
std::string find_proof(std::span<const Capture> captures);

/// Of ids that `proof` says are slots: learns the positions that they hold, from all steps of all captures.
CapturedIds recover_positions(std::span<const Capture> captures, const ImportOptions& options,
                              const std::string& proof);

}  // namespace dsasim
