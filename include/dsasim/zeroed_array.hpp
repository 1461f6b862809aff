#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace dsasim {

namespace detail {
/// Zeros, of whole pages of their own where they are many: std::calloc() writes memory that was used before, so that a
/// second replay would take what the first did not. Throws std::bad_alloc. `bytes` of 0 give a null pointer.
void* take_zeros(std::size_t count, std::size_t value_bytes);
void give_back_zeros(void* zeros, std::size_t count, std::size_t value_bytes) noexcept;
/// More of them, `zeros` being the first; moved without a copy where they have pages of their own. If it throws, they
/// are as they were.
void* take_more_zeros(void* zeros, std::size_t count, std::size_t new_count, std::size_t value_bytes);
}  // namespace detail

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
    values_ = Values(static_cast<T*>(detail::take_zeros(size, sizeof(T))), Free{size});
    size_ = size;
  }

  /// To no less than it has; zeros at the end.
  void grow(std::size_t size) {
    void* const more = detail::take_more_zeros(data(), size_, size, sizeof(T));
    static_cast<void>(values_.release());
    values_ = Values(static_cast<T*>(more), Free{size});
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
    std::size_t size = 0;
    void operator()(T* values) const noexcept { detail::give_back_zeros(values, size, sizeof(T)); }
  };
  using Values = std::unique_ptr<T, Free>;
  Values values_;
  std::size_t size_ = 0;
};

}  // namespace dsasim
