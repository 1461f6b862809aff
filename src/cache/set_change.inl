// Included once for each instruction set by set_change.cpp, inside a namespace of its own, with DSASIM_TARGET (the
// function attribute), list_changed() and write_word() defined for that set. No include guard.

DSASIM_TARGET SetChange change(std::uint64_t* kept, const std::uint64_t* selected, std::size_t words, EntryId* arrived,
                               EntryId* departed) noexcept {
  EntryId* const first_arrived = arrived;
  EntryId* const first_departed = departed;
  WordList list;
  for (std::size_t first = 0; first < words; first += part_words) {
    const std::size_t listed = list_changed(kept, selected, first, std::min(first + part_words, words), list);
    for (std::size_t i = 0; i < listed; ++i) {
      const std::uint32_t word = list[i];
      const std::uint64_t before = kept[word];
      const std::uint64_t now = selected[word];
      arrived = write_word(now & ~before, word * 64, arrived);
      departed = write_word(before & ~now, word * 64, departed);
      kept[word] = now;
    }
  }
  return {.arrived = static_cast<std::size_t>(arrived - first_arrived),
          .departed = static_cast<std::size_t>(departed - first_departed)};
}
