#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace dsasim {

/// An array of zeros that takes memory only where it is written, a page at a time: slots of a pool may be numbered up
/// to 2^31 where a trace uses few of them. A std::vector would write them all.
template <class T>
class ZeroedArray {
 public:
  void reset(std::size_t size) {
    values_.reset();  // before the next is taken: two at once would double the memory
    values_.reset(static_cast<T*>(std::calloc(size, sizeof(T))));
    if (!values_ && size > 0) {
      throw std::bad_alloc();
    }
  }

  T& operator[](std::size_t at) noexcept { return values_.get()[at]; }
  const T& operator[](std::size_t at) const noexcept { return values_.get()[at]; }

 private:
  struct Free {
    void operator()(T* values) const noexcept { std::free(values); }
  };
  std::unique_ptr<T, Free> values_;
};

}  // namespace dsasim
