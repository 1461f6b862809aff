// Included once for each instruction set by lane_decoder.cpp, inside a namespace of its own, with DSASIM_TARGET (the
// function attribute), list_selected() and write_word() defined for that set. No include guard.

/// Writes the ids of planes.next in ascending order, up to decode_slack - 1 more than there are.
DSASIM_TARGET void write_ids(LanePlanes& planes, EntryId* ids) {
  const std::size_t selected = list_selected(planes);
  const std::uint32_t* words = planes.listed.data();
  const std::uint64_t* next = planes.next.data();
  for (std::size_t i = 0; i < selected; ++i) {
    ids = write_word(next[words[i]], words[i] * 64, ids);
  }
}
