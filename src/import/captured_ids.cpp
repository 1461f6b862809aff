#include "captured_ids.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace dsasim {
namespace {

/// The positions of the slots of each request of the batch.
struct Positions {
  std::vector<SlotPages> requests;
  std::string reason;  ///< why there are none, if `requests` is empty
};

Positions learn_positions(std::span<const Capture> captures, std::uint32_t page) {
  Positions out;
  for (const Capture& capture : captures) {
    out.requests.resize(out.requests.size() + capture.requests().size(), SlotPages(page));
    const bool certain =
        for_each_step(capture, [&](std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
          SlotPages& pages = out.requests[capture.first_request + request];
          const std::uint64_t context = capture.context(request, step_number);
          if (pages.learn(step.ids, capture.requests()[request].top_k, context)) {
            return true;
          }
          out.reason = fmt::format("{}, step {}: {}", capture.place(request), step_number, pages.reason());
          return false;
        });
    if (!certain) {
      out.requests.clear();
      break;
    }
  }
  return out;
}

}  // namespace

bool wants_proof(std::span<const Capture> captures, const ImportOptions& options) {
  const bool automatic = options.ids ? *options.ids == IdClaim::automatic
                                     : std::any_of(captures.begin(), captures.end(), [](const Capture& capture) {
                                         return capture.format->ids == IdClaim::automatic;
                                       });
  if (std::any_of(captures.begin(), captures.end(), [](const Capture& capture) { return capture.has_queries(); })) {
    if (options.ids == IdClaim::automatic) {
      throw ConfigError("`ids`",
                        "auto does not know slots where steps have several queries; expected logical or physical");
    }
    return false;
  }
  // Where an id stands for several tokens, the stacks log positions, and one outside the context is damage.
  return automatic && options.unit_tokens.value_or(1) == 1;
}

std::string find_proof(std::span<const Capture> captures) {
  for (const Capture& capture : captures) {
    SlotWitnesses witnesses;
    std::string first;
    for_each_step(capture, [&](std::uint32_t request, std::uint64_t step_number, const CaptureStep& step) {
      const std::uint64_t context = capture.context(request, step_number);
      const std::uint32_t top_k = capture.requests()[request].top_k;
      if (const auto found = first.empty() ? find_slot(step.ids, context) : std::nullopt) {
        first = fmt::format("{}, step {}, layer {}: id {} lies outside the context of {}", capture.place(request),
                            step_number, *found / top_k, step.ids[*found], context);
      }
      witnesses.add(step.ids, top_k, context);
      return !witnesses.has_enough();
    });
    if (witnesses.prove_slots()) {
      return fmt::format("{}; so do ids of {} of {} selections", first, witnesses.witnesses(), witnesses.selections());
    }
  }
  return "";
}

CapturedIds recover_positions(std::span<const Capture> captures, const ImportOptions& options,
                              const std::string& proof) {
  constexpr std::uint32_t page_of_all_stacks = 64;
  std::string reason;
  for (const std::uint32_t page : {options.page_tokens == 0 ? page_of_all_stacks : options.page_tokens, 1U}) {
    Positions learned = learn_positions(captures, page);
    if (!learned.requests.empty()) {
      std::string note =
          fmt::format("ids are slots ({}); the positions they hold were recovered, with pages of {}", proof, page);
      return {.found = {.kind = IdKind::logical, .note = std::move(note)}, .positions = std::move(learned.requests)};
    }
    reason = reason.empty() ? learned.reason : reason;
  }
  return {
      .found = {.kind = IdKind::physical,
                .note = fmt::format("ids are slots ({}), and stay so: positions are uncertain ({})", proof, reason)},
      .positions = {}};
}

}  // namespace dsasim
