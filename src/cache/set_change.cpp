#include "dsasim/cache/set_change.hpp"

#include "trace/id_words.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace dsasim {
namespace {

using namespace trace;

static_assert(change_slack >= write_slack);

/// Words that are listed at a time, before those of them that changed are looked at.
constexpr std::size_t part_words = 256;
using WordList = std::array<std::uint32_t, part_words + 8>;

namespace portable {
std::size_t list_changed(const std::uint64_t* kept, const std::uint64_t* selected, std::size_t first, std::size_t last,
                         WordList& list) noexcept {
  std::size_t listed = 0;
  for (std::size_t word = first; word < last; ++word) {
    list[listed] = static_cast<std::uint32_t>(word);
    listed += kept[word] != selected[word] ? 1U : 0U;
  }
  return listed;
}
std::uint64_t words_with_absent(std::span<const std::uint64_t> selected, const std::uint64_t* resident) noexcept {
  std::uint64_t found = 0;
  for (std::size_t word = 0; word < selected.size(); ++word) {
    found |= std::uint64_t{(selected[word] & ~resident[word]) != 0 ? 1U : 0U} << word;
  }
  return found;
}
using scalar::write_word;
#define DSASIM_TARGET
#include "cache/set_change.inl"
#undef DSASIM_TARGET
}  // namespace portable

#if defined(__x86_64__)
namespace bmi2 {
using portable::list_changed;
using scalar::write_word;
#define DSASIM_TARGET DSASIM_BMI2
#include "cache/set_change.inl"
#undef DSASIM_TARGET
}  // namespace bmi2

namespace vectors {
DSASIM_AVX512 std::size_t list_changed(const std::uint64_t* kept, const std::uint64_t* selected, std::size_t first,
                                       std::size_t last, WordList& list) noexcept {
  std::size_t listed = 0;
  for (std::size_t word = first; word < last; word += 8) {
    const auto present = static_cast<__mmask8>((1U << std::min<std::size_t>(last - word, 8)) - 1);
    const __m512i changed = _mm512_xor_si512(_mm512_maskz_loadu_epi64(present, kept + word),
                                             _mm512_maskz_loadu_epi64(present, selected + word));
    listed += trace::avx512::list_block(changed, word, list.data() + listed);
  }
  return listed;
}

DSASIM_AVX512 std::uint64_t words_with_absent(std::span<const std::uint64_t> selected,
                                              const std::uint64_t* resident) noexcept {
  std::uint64_t found = 0;
  for (std::size_t word = 0; word < selected.size(); word += 8) {
    const auto present = static_cast<__mmask8>((1U << std::min<std::size_t>(selected.size() - word, 8)) - 1);
    const __m512i absent = _mm512_andnot_si512(_mm512_maskz_loadu_epi64(present, resident + word),
                                               _mm512_maskz_loadu_epi64(present, selected.data() + word));
    found |= std::uint64_t{_mm512_test_epi64_mask(absent, absent)} << word;
  }
  return found;
}

using trace::avx512::write_word;
#define DSASIM_TARGET DSASIM_AVX512
#include "cache/set_change.inl"
#undef DSASIM_TARGET
}  // namespace vectors
#endif

}  // namespace

SetChange change_set(std::span<std::uint64_t> kept, std::span<const std::uint64_t> selected, EntryId* arrived,
                     EntryId* departed) noexcept {
  assert(kept.size() == selected.size());
#if defined(__x86_64__)
  static const InstructionSet set = best_instruction_set();
  if (set == InstructionSet::avx512) {
    return vectors::change(kept.data(), selected.data(), kept.size(), arrived, departed);
  }
  if (set == InstructionSet::bmi2) {
    return bmi2::change(kept.data(), selected.data(), kept.size(), arrived, departed);
  }
#endif
  return portable::change(kept.data(), selected.data(), kept.size(), arrived, departed);
}

std::uint64_t words_with_absent(std::span<const std::uint64_t> selected, const std::uint64_t* resident) noexcept {
  assert(selected.size() <= 64);
#if defined(__x86_64__)
  static const bool has_vectors = best_instruction_set() == InstructionSet::avx512;
  if (has_vectors) {
    return vectors::words_with_absent(selected, resident);
  }
#endif
  return portable::words_with_absent(selected, resident);
}

}  // namespace dsasim
