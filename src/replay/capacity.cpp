#include "dsasim/replay/capacity.hpp"

#include "config/byte_units.hpp"
#include "dsasim/config/number_of.hpp"
#include "dsasim/error.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace dsasim {
namespace {

struct Suffix {
  Capacity::Unit unit;
  std::uint64_t multiplier;
};

std::optional<Suffix> suffix_of(std::string_view text) {
  if (text.empty()) {
    return Suffix{Capacity::Unit::entries, 1};
  }
  if (text == "x") {
    return Suffix{Capacity::Unit::longest_selection, 1};
  }
  if (text == "ctx") {
    return Suffix{Capacity::Unit::context, 1};
  }
  const std::uint64_t multiplier = bytes_of_unit(text);
  return multiplier != 0 ? std::optional(Suffix{Capacity::Unit::bytes, multiplier}) : std::nullopt;
}

[[noreturn]] void refuse(std::string_view text, std::string_view option) {
  throw ConfigError(
      option,
      "expected 4096 (entries), 20MB, 20MiB, 2x (times the longest selection) or 0.2ctx (of the context), found \"{}\"",
      text);
}

}  // namespace

Capacity Capacity::parse(std::string_view text, std::string_view option) {
  const std::size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, number_end);
  const std::optional<Suffix> suffix = suffix_of(text.substr(number_end));
  const std::size_t point = std::min(number.find('.'), number.size());
  std::string digits(number.substr(0, point));
  const std::string_view fraction = point < number.size() ? number.substr(point + 1) : "";
  digits += fraction;

  Capacity capacity;
  const auto mantissa = number_of<std::uint64_t>(digits);
  const bool whole_number_needed = suffix && suffix->unit == Unit::entries;
  if (!suffix || point == 0 || !mantissa || fraction.size() > 9 ||
      (point < number.size() && (fraction.empty() || whole_number_needed))) {
    refuse(text, option);
  }
  capacity.mantissa_ = *mantissa;
  for (std::size_t i = 0; i < fraction.size(); ++i) {
    capacity.divisor_ *= 10;
  }
  capacity.text_ = text;
  capacity.option_ = option;
  capacity.unit_ = suffix->unit;
  capacity.multiplier_ = suffix->multiplier;
  return capacity;
}

Capacity Capacity::parse_budget(std::string_view text, std::string_view option) {
  Capacity capacity = parse(text, option);
  capacity.is_budget_ = true;
  return capacity;
}

std::vector<std::uint64_t> even_split(std::span<const CacheShare> shares, std::uint64_t budget) {
  __extension__ using Wide = unsigned __int128;
  const auto bounded = [](const CacheShare& share, std::uint64_t entries) {
    return std::clamp(entries, share.least, share.most);
  };
  const auto cost_of = [&](std::uint64_t entries) {
    Wide cost = 0;
    for (std::size_t i = 0; i < shares.size() && cost <= budget; ++i) {  // beyond it the sum could overflow
      cost += Wide{shares[i].entry_cost} * bounded(shares[i], entries);
    }
    return cost;
  };
  std::uint64_t fits = 0;
  for (std::uint64_t more = std::uint64_t{1} << 63U; more > 0; more /= 2) {
    fits += cost_of(fits + more) <= budget ? more : 0;
  }
  std::vector<std::uint64_t> capacities;
  for (const CacheShare& share : shares) {
    capacities.push_back(bounded(share, fits));
  }
  Wide left = budget - cost_of(fits);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (capacities[i] == fits && fits < shares[i].most && shares[i].entry_cost <= left) {
      ++capacities[i];
      left -= shares[i].entry_cost;
    }
  }
  return capacities;
}

std::uint64_t Capacity::entries(const TraceReader& trace, std::uint64_t bytes_an_entry) const {
  std::uint64_t base = 1;
  // In 128 bits: a mantissa of 19 digits times 1 GiB fits; a product beyond it saturates at "everything fits".
  __extension__ using Wide = unsigned __int128;
  Wide divisor = divisor_;
  switch (unit_) {
    case Unit::entries:
      break;
    case Unit::longest_selection:
      base = trace.longest_selection();
      break;
    case Unit::context:
      base = trace.longest_context_entries();
      break;
    case Unit::bytes:
      if (bytes_an_entry == 0) {
        throw ConfigError(option_, "{} needs the bytes of an entry, which the trace does not give; add `entry_bytes`",
                          text_);
      }
      divisor *= bytes_an_entry;
      break;
  }
  const Wide numerator = Wide{mantissa_} * multiplier_;
  const Wide limit = ~Wide{0} / std::max<std::uint64_t>(base, 1);
  const Wide value = numerator > limit ? Wide{~std::uint64_t{0}} : numerator * base / divisor;
  return static_cast<std::uint64_t>(std::min<Wide>(value, ~std::uint64_t{0}));
}

}  // namespace dsasim
