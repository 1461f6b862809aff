#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace dsasim {

/// An array of zeros that takes memory only where it is written, a page at a time: slots of a pool may be numbered up
/// to 2^31 where a trace uses few of them, and a cache may be larger than what is ever in it. A std::vector would write
/// them all.
template <class T>
class ZeroedArray {
 public:
  ZeroedArray() = default;
  explicit ZeroedArray(std::size_t size) { reset(size); }
  ZeroedArray(ZeroedArray&& other) noexcept : values_(std::move(other.values_)), size_(std::exchange(other.size_, 0)) {}
  ZeroedArray& operator=(ZeroedArray&& other) noexcept {
    values_ = std::move(other.values_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ZeroedArray(const ZeroedArray&) = delete;
  ZeroedArray& operator=(const ZeroedArray&) = delete;
  ~ZeroedArray() = default;

  void reset(std::size_t size) {
    values_.reset();  // before the next is taken: two at once would double the memory
    size_ = 0;
    values_.reset(static_cast<T*>(std::calloc(size, sizeof(T))));
    if (!values_ && size > 0) {
      throw std::bad_alloc();
    }
    size_ = size;
  }

  T& operator[](std::size_t at) noexcept { return values_.get()[at]; }
  const T& operator[](std::size_t at) const noexcept { return values_.get()[at]; }

  std::size_t size() const noexcept { return size_; }
  T* data() noexcept { return values_.get(); }
  const T* data() const noexcept { return values_.get(); }
  T* begin() noexcept { return data(); }
  T* end() noexcept { return data() + size_; }
  const T* begin() const noexcept { return data(); }
  const T* end() const noexcept { return data() + size_; }

 private:
  struct Free {
    void operator()(T* values) const noexcept { std::free(values); }
  };
  std::unique_ptr<T, Free> values_;
  std::size_t size_ = 0;
};

}  // namespace dsasim
