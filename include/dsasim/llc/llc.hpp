#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dsasim {

/// Which line of a set goes: docs/llc.md. Written `lru`, `tree-plru`, `srrip`, `random`.
enum class LlcPolicy : std::uint8_t { lru, tree_plru, srrip, random };

/// `--llc BYTES[,ways=16,line_bytes=128,sector_bytes=32,policy=lru,seed=1]`: a last-level cache, of which a part may be
/// reserved. Lines are filled a sector at a time.
struct LlcSpec {
  std::uint64_t bytes = 0;          ///< at most 4 GiB
  std::uint32_t ways = 16;          ///< 1 to 32; a power of two for tree-plru
  std::uint32_t line_bytes = 128;   ///< a power of two, 64 to 1024
  std::uint32_t sector_bytes = 32;  ///< a power of two, an eighth of a line to a line
  LlcPolicy policy = LlcPolicy::lru;
  std::uint64_t seed = 1;  ///< of `random`, and of the victims in a set-aside

  friend bool operator==(const LlcSpec&, const LlcSpec&) = default;
};

/// BYTES is 62914560, 60MB or 60MiB. Throws ConfigError for what has not this form, for an unknown key (naming the
/// known ones), and for a value out of range.
LlcSpec parse_llc(std::string_view text);

/// The inverse of parse_llc, defaults spelled out: "62914560,ways=16,line_bytes=128,...".
std::string to_string(const LlcSpec& spec);

/// What reads found. A part of a sector counts as the whole; rows that share a sector each count it.
struct LlcReads {
  std::uint64_t rows = 0;      ///< 0 for a stream
  std::uint64_t hit_rows = 0;  ///< rows all of whose sectors were present
  std::uint64_t sectors = 0;
  std::uint64_t hit_sectors = 0;
  std::uint64_t lines = 0;
  std::uint64_t hit_lines = 0;  ///< lines of which any sector was present, wanted or not

  LlcReads& operator+=(const LlcReads& more) noexcept;
  friend bool operator==(const LlcReads&, const LlcReads&) = default;
};

/// The ordinary part of a last-level cache: what no reservation takes. A read fetches the sectors that are missing; a
/// line that is present gets no second place. Reads end below 2^64. Results depend on nothing but the arguments.
class Llc {
 public:
  virtual ~Llc() = default;

  /// Reads rows of row_bytes (at least 1) at these byte addresses, in order. The addresses of the 64-byte lines that
  /// must come from memory, because any of their sectors is missing, are appended to `missed`: ascending within a row,
  /// each once a row. `persisting` rows go to the set-aside: what is read so is marked, and ordinary reads do not evict
  /// it.
  virtual LlcReads read_rows(std::span<const std::uint64_t> addresses, std::uint64_t row_bytes, bool persisting,
                             std::vector<std::uint64_t>& missed) = 0;

  /// Reads `bytes` from `address` on, line after line: weights, the keys of an indexer. The same as reading the lines
  /// as rows, in time that does not grow with `bytes` beyond the size of the cache.
  virtual LlcReads read_stream(std::uint64_t address, std::uint64_t bytes) = 0;

  /// A stream whose hits nobody asks for: what follows finds the cache as read_stream() leaves it, and only the sets
  /// that are read before it is forgotten take its time.
  virtual void pass_stream(std::uint64_t address, std::uint64_t bytes) = 0;

 protected:
  Llc() = default;
  Llc(const Llc&) = default;
  Llc& operator=(const Llc&) = default;
};

/// The ordinary part of a cache of which `reserved_bytes` are reserved: the ways stay, the sets become fewer,
/// (bytes - reserved_bytes) / (ways * line_bytes) rounded down. Less than one set is no cache: everything misses.
/// `set_aside_bytes` of the ordinary part may hold marked lines: as the nearest number of ways in every set, at least
/// one and at most all but one (a set-aside in a cache of one way is refused). Throws ConfigError for a spec that
/// parse_llc would refuse, and for parts that are larger than what they are parts of.
std::unique_ptr<Llc> make_llc(const LlcSpec& spec, std::uint64_t reserved_bytes, std::uint64_t set_aside_bytes);

}  // namespace dsasim
