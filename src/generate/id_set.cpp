#include "generate/id_set.hpp"

#include "trace/id_words.hpp"

namespace dsasim::synthesis {
namespace {

DSASIM_INLINE void list_words(const std::vector<std::uint64_t>& words, EntryId* ids, const EntryId* end) {
  for (std::uint32_t word = 0; ids < end; ++word) {
    if (words[word] != 0) {
      ids = trace::scalar::write_word(words[word], word * 64, ids);
    }
  }
}

#if defined(__x86_64__)
DSASIM_BMI2 void list_words_bmi2(const std::vector<std::uint64_t>& words, EntryId* ids, const EntryId* end) {
  list_words(words, ids, end);
}

DSASIM_AVX512 void list_words_avx512(const std::vector<std::uint64_t>& words, EntryId* ids, const EntryId* end) {
  for (std::uint32_t word = 0; ids < end; ++word) {
    ids = trace::avx512::write_word(words[word], word * 64, ids);
  }
}
#endif

}  // namespace

void IdSet::list(std::size_t count, std::vector<EntryId>& ids) const {
  ids.resize(count + trace::write_slack);
  const EntryId* end = ids.data() + count;
#if defined(__x86_64__)
  static const trace::InstructionSet set = trace::best_instruction_set();
  if (set == trace::InstructionSet::avx512) {
    list_words_avx512(words_, ids.data(), end);
  } else if (set == trace::InstructionSet::bmi2) {
    list_words_bmi2(words_, ids.data(), end);
  } else {
    list_words(words_, ids.data(), end);
  }
#else
  list_words(words_, ids.data(), end);
#endif
  ids.resize(count);
}

}  // namespace dsasim::synthesis
