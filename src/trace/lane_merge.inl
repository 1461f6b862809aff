// Included for instruction sets without vectors by lane_decoder.cpp, inside a namespace of its own, with DSASIM_TARGET
// (the function attribute), list_active() and deposit_bits() defined for that set. No include guard.

/// Reads the classes' bits into planes.next and adds them to the window. Returns the ids selected; far ids are still to
/// come.
DSASIM_TARGET std::uint64_t merge_classes(LanePlanes& planes, BitReader& steady_bits, BitReader& wavering_bits,
                                          BitReader& returning_bits) {
  const std::size_t active = list_active(planes);
  BitReader steady = steady_bits;  // copies: the compiler keeps them in registers
  BitReader wavering = wavering_bits;
  BitReader returning = returning_bits;
  const std::uint32_t* words = planes.listed.data();
  const std::uint64_t* one_ago = planes.one_ago.data();
  const std::uint64_t* two_ago = planes.two_ago.data();
  std::uint64_t* window_new = planes.window_new.data();
  const std::uint64_t* window_old = planes.window_old.data();
  std::uint64_t* next = planes.next.data();
  std::uint64_t selected = 0;
  for (std::size_t i = 0; i < active; ++i) {
    const std::size_t word = words[i];
    const std::uint64_t one = one_ago[word];
    const std::uint64_t two = two_ago[word];
    const std::uint64_t recent = window_new[word];
    const std::uint64_t both = one & two;
    const std::uint64_t either = one ^ two;
    const std::uint64_t neither = (recent | window_old[word]) & ~(one | two);
    const std::uint64_t bits = deposit_bits(steady.take(static_cast<unsigned>(std::popcount(both))), both) |
                               deposit_bits(wavering.take(static_cast<unsigned>(std::popcount(either))), either) |
                               deposit_bits(returning.take(static_cast<unsigned>(std::popcount(neither))), neither);
    next[word] = bits;
    window_new[word] = recent | bits;
    selected += static_cast<unsigned>(std::popcount(bits));
  }
  steady_bits = steady;
  wavering_bits = wavering;
  returning_bits = returning;
  return selected;
}
