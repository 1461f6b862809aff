#include "evidence.hpp"

#include "dsasim/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace dsasim {
namespace {

/// Fewer selections than these are no evidence.
constexpr std::uint64_t least_selections = 32;
/// Ids outside their context are damage if so few selections have them.
constexpr std::uint64_t most_bad_one_in = 10;
constexpr std::string_view usual = "97 to 100% do in real captures";

/// Calls f(capture, its request, the number in the batch) for each request.
template <class F>
void for_each_request(std::span<const Capture> captures, F&& f) {
  for (const Capture& capture : captures) {
    for (std::uint32_t request = 0; request < capture.requests().size(); ++request) {
      f(capture, request, capture.first_request + request);
    }
  }
}

/// The options that say where the rows of a request lie whose ids end `shift` from where they should.
std::string shift_hint(const Capture& capture, std::uint32_t request, std::int64_t shift) {
  const std::uint64_t declared = capture.prompt_tokens[request];
  const auto distance = static_cast<std::uint64_t>(shift < 0 ? -shift : shift);
  const std::string_view direction = shift < 0 ? "earlier" : "later";
  if (capture.format->names_steps && capture.requests()[request].prompt_tokens) {
    return fmt::format("its contexts are {} too {}", distance, shift < 0 ? "large" : "small");
  }
  if (shift < 0 && distance > declared) {
    return fmt::format("its prompt of {} tokens is too long", declared);
  }
  const std::uint64_t prompt = shift < 0 ? declared - distance : declared + distance;
  std::string out = fmt::format("its rows begin {} {} than declared", distance, direction);
  if (!capture.format->names_steps && shift < 0) {
    out += fmt::format(" (`prompt_start` {} says so)", prompt);
  }
  out += fmt::format(", or its prompt has {} tokens", prompt);
  out += capture.requests()[request].prompt_tokens ? "" : fmt::format(" (`prompt_len` {})", prompt);
  return out;
}

/// Rows that may begin one early have to show that they do not.
void require_known_start(const Capture& capture, std::uint32_t request, const RequestEvidence* evidence) {
  if (!capture.requests()[request].may_start_early) {
    return;
  }
  if (evidence != nullptr && evidence->names_own() * 10 >= evidence->selections() && evidence->names_own() > 0) {
    return;
  }
  const std::string found =
      evidence == nullptr
          ? "Its ids do not say which"
          : fmt::format("If they begin behind it, {} of {} selections name the position of their own query ({})",
                        evidence->names_own(), evidence->selections(), usual);
  throw TraceError(capture.place(request),
                   "has as many rows as completion tokens; they may begin with the prompt's last token or behind the "
                   "prompt. {}; give `prompt_start` last, or `prompt_start` end",
                   found);
}

void require_in_context(std::span<const Capture> captures, std::span<const RequestEvidence> evidence,
                        const IdsBeyondContext& beyond, const Declared& declared) {
  if (beyond.selections == 0) {
    return;
  }
  std::uint64_t selections = 0;
  std::string reason;
  for_each_request(captures, [&](const Capture& capture, std::uint32_t request, std::uint32_t number) {
    const RequestEvidence& found = evidence[number];
    selections += found.selections();
    const std::int64_t shift = declared.entry_tokens == 1 ? found.shift().value_or(0) : 0;
    if (reason.empty() && shift > 0) {
      reason = fmt::format("{} of its {} selections end {} after the position of their own query: {}; ",
                           found.shifted(), found.telling(), shift, shift_hint(capture, request, shift));
    }
  });
  const bool are_few = beyond.selections * most_bad_one_in <= selections;
  if (are_few && declared.skip_bad) {
    return;
  }
  throw TraceError(beyond.first, "{} of {} selections have such ids; {}{}`ids` physical says that ids are slots",
                   beyond.selections, selections, reason, are_few ? "`skip_bad` leaves these ids out, " : "");
}

class Warnings {
 public:
  void shifted(const Capture& capture, std::uint32_t request, const RequestEvidence& evidence) {
    if (shifted_++ == 0) {
      const std::int64_t shift = *evidence.shift();
      first_ =
          fmt::format("{}: {} of {} selections end {} before the position of their own query, and few at it ({}); {}",
                      capture.place(request), evidence.shifted(), evidence.telling(), -shift, usual,
                      shift_hint(capture, request, shift));
    }
  }

  std::vector<std::string> list() && {
    if (shifted_ > 1) {
      first_ += fmt::format("; so do those of {} other requests", shifted_ - 1);
    }
    return shifted_ == 0 ? std::vector<std::string>() : std::vector<std::string>{std::move(first_)};
  }

 private:
  std::uint64_t shifted_ = 0;
  std::string first_;
};

/// A number that most sets of ids do not share, whatever their order; not 0.
std::uint64_t print_of(std::span<const EntryId> ids, std::uint64_t sample) {
  std::uint64_t sum = (ids.size() + sample) * 0x9e3779b97f4a7c15U;
  for (const EntryId id : ids) {
    std::uint64_t mixed = (std::uint64_t{value(id)} + 1) * 0xbf58476d1ce4e5b9U;
    mixed ^= mixed >> 29U;
    sum += mixed * 0x94d049bb133111ebU;
  }
  return sum | 1U;
}

}  // namespace

void RequestEvidence::add(std::uint64_t largest, std::size_t size, std::uint64_t context) noexcept {
  const auto from_own = static_cast<std::int64_t>(largest) - static_cast<std::int64_t>(context) + 1;
  ++selections_;
  names_own_ += from_own == 0 ? 1U : 0U;
  if (size >= context) {
    return;
  }
  ++telling_;
  telling_own_ += from_own == 0 ? 1U : 0U;
  unit_ = std::min(unit_, context / (largest + 1));
  if (votes_ == 0) {
    candidate_ = from_own;
    at_candidate_ = 0;
  }
  votes_ += from_own == candidate_ ? 1U : ~std::uint64_t{0};
  at_candidate_ += from_own == candidate_ ? 1U : 0U;
}

std::optional<std::int64_t> RequestEvidence::shift() const noexcept {
  if (telling_ < least_selections || candidate_ == 0 || telling_own_ * 10 > telling_ ||
      at_candidate_ * 10 < telling_ * 8) {
    return std::nullopt;
  }
  return candidate_;
}

RequestPrints::RequestPrints(std::span<const Capture> captures) {
  for_each_request(captures, [&](const Capture& capture, std::uint32_t request, std::uint32_t /*number*/) {
    const CaptureShape& shape = capture.requests()[request];
    requests_.push_back({.steps = shape.steps, .layers = shape.layers, .of_sample = {}});
  });
}

void RequestPrints::add(std::uint32_t request, std::uint64_t step, std::size_t layer, std::span<const EntryId> ids) {
  constexpr std::size_t least_ids = 8;  // fewer are alike by chance
  // Samples are spread over the steps, each of another layer.
  Prints& prints = requests_[request];
  const std::uint64_t count = std::min<std::uint64_t>(samples, prints.steps);
  const std::uint64_t sample = step * count / prints.steps;
  const bool is_first_of_sample = step * count % prints.steps < count;
  if (ids.size() >= least_ids && is_first_of_sample && layer == sample % prints.layers) {
    prints.of_sample[sample] = print_of(ids, sample);
  }
}

std::vector<std::string> RequestPrints::twins(std::span<const Capture> captures) const {
  constexpr std::uint64_t least_alike = 4;
  constexpr std::size_t most_named = 4;
  std::unordered_map<std::uint64_t, std::uint32_t> first_with;  // a print, and the first request that has it
  std::vector<std::string> places;
  std::vector<std::string> out;
  std::uint64_t more = 0;
  for_each_request(captures, [&](const Capture& capture, std::uint32_t request, std::uint32_t number) {
    places.push_back(capture.place(request));
    std::map<std::uint32_t, std::uint64_t> alike;
    std::uint64_t known = 0;
    for (std::size_t sample = 0; sample < samples; ++sample) {
      const std::uint64_t print = requests_[number].of_sample[sample];
      if (print == 0) {
        continue;
      }
      ++known;
      const auto [found, is_new] = first_with.try_emplace(print, number);
      alike[found->second] += is_new ? 0U : 1U;
    }
    const auto most =
        std::max_element(alike.begin(), alike.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most == alike.end() || most->second < least_alike || most->second * 4 < known * 3) {
      return;
    }
    if (out.size() == most_named) {
      ++more;
      return;
    }
    out.push_back(fmt::format(
        "{} selects what {} does, in {} of {} selections that were compared; if they are ranks of one server that log "
        "the same request, import one of them: each adds its accesses",
        places[number], places[most->first], most->second, known));
  });
  if (more > 0) {
    out.push_back(fmt::format("{} other requests select what one before them does", more));
  }
  return out;
}

std::vector<std::string> find_contradictions(std::span<const Capture> captures,
                                             std::span<const RequestEvidence> evidence, const IdsBeyondContext& beyond,
                                             const Declared& declared) {
  const bool tell = declared.ids_are_positions && declared.entry_tokens == 1;
  require_in_context(captures, evidence, beyond, declared);
  Warnings warnings;
  for_each_request(captures, [&](const Capture& capture, std::uint32_t request, std::uint32_t number) {
    const RequestEvidence& found = evidence[number];
    require_known_start(capture, request, tell ? &found : nullptr);
    if (!tell) {
      return;
    }
    if (found.shift().value_or(0) < 0) {
      warnings.shifted(capture, request, found);
    } else if (!declared.unit_tokens && found.telling() >= least_selections && found.unit() > 1) {
      const std::uint64_t unit = std::min<std::uint64_t>(found.unit(), TraceHeader::max_unit_tokens);
      throw TraceError(capture.place(request),
                       "none of its {} selections names an entry beyond 1/{} of its context, as if an id stood for {} "
                       "tokens or the prompt was shorter; give `unit_tokens` {}, or `unit_tokens` 1 if ids are single "
                       "tokens",
                       found.telling(), unit, unit, unit);
    }
  });
  return std::move(warnings).list();
}

}  // namespace dsasim
