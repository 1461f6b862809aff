// The two loops of the lane decoder. Included once for each instruction set by lane_decoder.cpp, inside a namespace of
// its own, with DSASIM_TARGET (the function attribute) and deposit_bits() defined for that set. No include guard.

/// Reads the classes' bits into planes.next and adds them to the window, block by block. Returns the ids selected; far
/// ids are still to come.
DSASIM_TARGET std::uint64_t merge_classes(LanePlanes& planes, BitReader& steady_bits, BitReader& wavering_bits,
                                          BitReader& returning_bits) {
  BitReader steady = steady_bits;  // copies: the compiler keeps them in registers
  BitReader wavering = wavering_bits;
  BitReader returning = returning_bits;
  const std::uint64_t* one_ago = planes.one_ago.data();
  const std::uint64_t* two_ago = planes.two_ago.data();
  std::uint64_t* window_new = planes.window_new.data();
  const std::uint64_t* window_old = planes.window_old.data();
  std::uint64_t* next = planes.next.data();
  std::uint64_t selected = 0;
  for (std::size_t block = 0; block < planes.live.size(); ++block) {
    if (planes.live[block] == 0) {
      continue;
    }
    for (std::size_t word = block * block_words; word < (block + 1) * block_words; ++word) {
      const std::uint64_t one = one_ago[word];
      const std::uint64_t two = two_ago[word];
      const std::uint64_t window = window_new[word] | window_old[word];
      if (window == 0) {  // so are the other two: what they hold is in the window
        next[word] = 0;
        continue;
      }
      const std::uint64_t both = one & two;
      const std::uint64_t either = one ^ two;
      const std::uint64_t recent = window & ~(one | two);
      const std::uint64_t bits = deposit_bits(steady.take(static_cast<unsigned>(std::popcount(both))), both) |
                                 deposit_bits(wavering.take(static_cast<unsigned>(std::popcount(either))), either) |
                                 deposit_bits(returning.take(static_cast<unsigned>(std::popcount(recent))), recent);
      next[word] = bits;
      window_new[word] |= bits;
      selected += static_cast<unsigned>(std::popcount(bits));
    }
  }
  steady_bits = steady;
  wavering_bits = wavering;
  returning_bits = returning;
  return selected;
}

/// Writes the ids of planes.next in ascending order, up to decode_slack - 1 more than there are. Four at a time without
/// asking how many are left: most words hold 1 to 4 ids, and a loop that stops at each last one is mispredicted once a
/// word. Two ids go into one store, which also keeps the compiler from gathering them in a vector register first.
DSASIM_TARGET void write_ids(const LanePlanes& planes, EntryId* ids) {
  const std::uint64_t* next = planes.next.data();
  for (std::size_t block = 0; block < planes.live.size(); ++block) {
    if (planes.live[block] == 0) {
      continue;
    }
    for (std::size_t word = block * block_words; word < (block + 1) * block_words; ++word) {
      std::uint64_t bits = next[word];
      const int count = std::popcount(bits);
      const std::uint64_t base = (word * 64) * ((std::uint64_t{1} << 32U) + 1);
      for (int done = 0; done < count;) {
        for (int pair = 0; pair < 2; ++pair, done += 2) {
          const auto low = static_cast<std::uint64_t>(std::countr_zero(bits));
          bits &= bits - 1;
          const auto high = static_cast<std::uint64_t>(std::countr_zero(bits));
          bits &= bits - 1;
          const std::uint64_t both = base + (high << 32U) + low;
          std::memcpy(ids + done, &both, sizeof both);
        }
      }
      ids += count;
    }
  }
}
