
TEST_CASE("lifo evicts the entry that came in last", "[cache][lifo]") {
  // Three slots, and a loop of four, of which A and B stay.
  //
  //   A B C D   A B C D   A
  //   m m m m   h h m m   h
  //         C       D C
  const Replay result = replay("lifo", 3, spaced("ABCDABCDA"));
  CHECK(result.seen == spaced("mmmmhhmmh"));
  CHECK(result.victims == "CDC");
  CHECK(result.left == "ABD");
}
