#include "dsasim/replay/capacity.hpp"

#include "dsasim/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace dsasim {
namespace {

struct Suffix {
  std::string_view text;
  Capacity::Unit unit;
  std::uint64_t multiplier;
};
constexpr std::array suffixes = {
    Suffix{"", Capacity::Unit::entries, 1},
    Suffix{"x", Capacity::Unit::longest_selection, 1},
    Suffix{"ctx", Capacity::Unit::context, 1},
    Suffix{"B", Capacity::Unit::bytes, 1},
    Suffix{"kB", Capacity::Unit::bytes, 1'000},
    Suffix{"KB", Capacity::Unit::bytes, 1'000},
    Suffix{"MB", Capacity::Unit::bytes, 1'000'000},
    Suffix{"GB", Capacity::Unit::bytes, 1'000'000'000},
    Suffix{"KiB", Capacity::Unit::bytes, 1ULL << 10U},
    Suffix{"MiB", Capacity::Unit::bytes, 1ULL << 20U},
    Suffix{"GiB", Capacity::Unit::bytes, 1ULL << 30U},
};

[[noreturn]] void refuse(std::string_view text) {
  throw ConfigError(
      "--capacity",
      "expected 4096 (entries), 20MB, 20MiB, 2x (times the longest selection) or 0.2ctx (of the context), found \"{}\"",
      text);
}

}  // namespace

Capacity Capacity::parse(std::string_view text) {
  const std::size_t number_end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, number_end);
  const auto* suffix = std::find_if(suffixes.begin(), suffixes.end(),
                                    [&](const Suffix& s) { return s.text == text.substr(number_end); });
  const std::size_t point = std::min(number.find('.'), number.size());
  std::string digits(number.substr(0, point));
  const std::string_view fraction = point < number.size() ? number.substr(point + 1) : "";
  digits += fraction;

  Capacity capacity;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), capacity.mantissa_);
  const bool whole_number_needed = suffix != suffixes.end() && suffix->unit == Unit::entries;
  if (suffix == suffixes.end() || point == 0 || error != std::errc{} || end != digits.data() + digits.size() ||
      fraction.size() > 9 || (point < number.size() && (fraction.empty() || whole_number_needed))) {
    refuse(text);
  }
  for (std::size_t i = 0; i < fraction.size(); ++i) {
    capacity.divisor_ *= 10;
  }
  capacity.text_ = text;
  capacity.unit_ = suffix->unit;
  capacity.multiplier_ = suffix->multiplier;
  return capacity;
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
        throw ConfigError("--capacity",
                          "{} needs the bytes of an entry, which the trace does not give; add --entry-bytes", text_);
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
