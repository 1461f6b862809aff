#include "trace/id_words.hpp"

namespace dsasim::trace {

bool supported(InstructionSet set) noexcept {
#if defined(__x86_64__)
  const bool bmi2 =
      static_cast<bool>(__builtin_cpu_supports("bmi")) && static_cast<bool>(__builtin_cpu_supports("bmi2"));
  const bool avx512 = bmi2 && static_cast<bool>(__builtin_cpu_supports("avx512bw")) &&
                      static_cast<bool>(__builtin_cpu_supports("avx512vl")) &&
                      static_cast<bool>(__builtin_cpu_supports("avx512vpopcntdq")) &&
                      static_cast<bool>(__builtin_cpu_supports("avx512vbmi2"));
  return set == InstructionSet::portable || (set == InstructionSet::bmi2 && bmi2) ||
         (set == InstructionSet::avx512 && avx512);
#else
  return set == InstructionSet::portable;
#endif
}

InstructionSet best_instruction_set() noexcept {
  for (const InstructionSet set : {InstructionSet::avx512, InstructionSet::bmi2}) {
    if (supported(set)) {
      return set;
    }
  }
  return InstructionSet::portable;
}

}  // namespace dsasim::trace
