#include "dsasim/error.hpp"
#include "dsasim/llc/llc.hpp"
#include "llc/llc_spec.hpp"
#include "llc/no_llc.hpp"

namespace dsasim {

LlcReads& LlcReads::operator+=(const LlcReads& more) noexcept {
  rows += more.rows;
  hit_rows += more.hit_rows;
  sectors += more.sectors;
  hit_sectors += more.hit_sectors;
  lines += more.lines;
  hit_lines += more.hit_lines;
  return *this;
}

std::unique_ptr<Llc> make_llc(const LlcSpec& spec, std::uint64_t reserved_bytes, std::uint64_t set_aside_bytes) {
  check(spec);
  if (reserved_bytes > spec.bytes) {
    throw ConfigError("--llc", "{} bytes are to be reserved, of a cache of {}", reserved_bytes, spec.bytes);
  }
  if (set_aside_bytes > spec.bytes - reserved_bytes) {
    throw ConfigError("--llc", "{} bytes are to be set aside, of the {} that no reservation takes", set_aside_bytes,
                      spec.bytes - reserved_bytes);
  }
  return std::make_unique<NoLlc>(spec);
}

}  // namespace dsasim
