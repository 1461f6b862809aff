#include "dsasim/zeroed_array.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace dsasim::detail {
namespace {

constexpr std::size_t mapped_bytes = std::size_t{1} << 20U;  ///< from here on; below, a page more or less is little

bool is_mapped(std::size_t count, std::size_t value_bytes) {
  return count >= mapped_bytes / value_bytes;
}

}  // namespace

void* take_zeros(std::size_t count, std::size_t value_bytes) {
  if (count == 0) {
    return nullptr;
  }
  if (count > std::numeric_limits<std::size_t>::max() / value_bytes) {
    throw std::bad_alloc();
  }
  if (!is_mapped(count, value_bytes)) {
    void* const zeros = std::calloc(count, value_bytes);
    return zeros != nullptr ? zeros : throw std::bad_alloc();
  }
  void* const zeros =
      ::mmap(nullptr, count * value_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (zeros == MAP_FAILED) {
    throw std::bad_alloc();
  }
  return zeros;
}

void give_back_zeros(void* zeros, std::size_t count, std::size_t value_bytes) noexcept {
  if (zeros != nullptr && is_mapped(count, value_bytes)) {
    ::munmap(zeros, count * value_bytes);
  } else {
    std::free(zeros);
  }
}

void* take_more_zeros(void* zeros, std::size_t count, std::size_t new_count, std::size_t value_bytes) {
#ifdef MREMAP_MAYMOVE
  if (is_mapped(count, value_bytes) && new_count <= std::numeric_limits<std::size_t>::max() / value_bytes) {
    void* const more = ::mremap(zeros, count * value_bytes, new_count * value_bytes, MREMAP_MAYMOVE);
    return more != MAP_FAILED ? more : throw std::bad_alloc();
  }
#endif
  void* const more = take_zeros(new_count, value_bytes);
  if (count > 0) {
    std::memcpy(more, zeros, count * value_bytes);
  }
  give_back_zeros(zeros, count, value_bytes);
  return more;
}

}  // namespace dsasim::detail
