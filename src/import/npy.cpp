#include "npy.hpp"

#include "dsasim/error.hpp"
#include "npy_header.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

namespace dsasim {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t buffer_bytes = std::size_t{1} << 20U;
/// numpy's own headers have 118 bytes; it refuses to load one above 10,000.
constexpr std::uint64_t longest_header = std::uint64_t{1} << 16U;

std::uint64_t element_count(const NpyHeader& header, const std::string& where) {
  if (std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end()) {
    return 0;  // whatever the others are
  }
  std::uint64_t count = 1;
  for (const std::uint64_t length : header.shape) {
    if (length > std::numeric_limits<std::uint64_t>::max() / count) {
      throw TraceError(where, "shape {} has more elements than 64 bits count", header.shape_text());
    }
    count *= length;
  }
  return count;
}

/// Reads magic, version and length; returns the text that follows.
std::string read_header_text(ByteSource& bytes, std::uint64_t& header_bytes) {
  std::array<std::byte, 12> start{};
  if (bytes.size() < 10) {
    throw TraceError(bytes.name(), "holds {} bytes, too few for an .npy header", bytes.size());
  }
  bytes.read(std::span(start).first(8));
  if (std::memcmp(start.data(), magic.data(), magic.size()) != 0) {
    std::array<unsigned char, 8> found{};
    std::memcpy(found.data(), start.data(), found.size());
    throw TraceError(bytes.name(), R"(starts with {}, expected an .npy array ("\x93NUMPY"))", quoted_start(found));
  }
  const auto major = std::to_integer<unsigned>(start[6]);
  const auto minor = std::to_integer<unsigned>(start[7]);
  if (major < 1 || major > 3 || minor != 0) {
    throw TraceError(bytes.name(), "is .npy version {}.{}, expected 1.0, 2.0 or 3.0", major, minor);
  }
  // Version 1 counts the header in 2 bytes, the later ones in 4.
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  if (bytes.size() < 8 + length_bytes) {
    throw TraceError(bytes.name(), "holds {} bytes, too few for an .npy header", bytes.size());
  }
  bytes.read(std::span(start).subspan(8, length_bytes));
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) {
    length |= std::to_integer<std::uint64_t>(start[8 + i]) << (8 * i);
  }
  header_bytes = 8 + length_bytes + length;
  if (header_bytes > bytes.size()) {
    throw TraceError(bytes.name(), "holds {} bytes, its header says that it is {} long", bytes.size(), header_bytes);
  }
  if (length > longest_header) {
    throw TraceError(bytes.name(), "has a header of {} bytes, at most {} are read", length, longest_header);
  }
  std::string text(length, '\0');
  bytes.read(std::as_writable_bytes(std::span(text)));
  return text;
}

template <class T>
T swapped(T value) noexcept {
  if constexpr (sizeof(T) == 2) {
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else if constexpr (sizeof(T) == 8) {
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  } else {
    return value;
  }
}

template <class T, bool Swap>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return Swap ? swapped(value) : value;
}

/// Returns all values or-ed together. The loop has no exit, so that it vectorises.
template <class T, bool Swap, class Out>
Out convert(const std::byte* from, std::span<Out> out) noexcept {
  Out seen = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto value = static_cast<Out>(load<T, Swap>(from + i * sizeof(T)));  // NOLINT(bugprone-signed-char-misuse)
    seen = static_cast<Out>(seen | value);
    out[i] = value;
  }
  return seen;
}

/// Returns false if a value does not fit.
template <class T>
bool convert_integers(const std::byte* from, bool swap, std::span<std::int64_t> out) noexcept {
  const std::int64_t seen = swap ? convert<T, true>(from, out) : convert<T, false>(from, out);
  return !std::is_same_v<T, std::uint64_t> || seen >= 0;
}

bool needs_swap(const NpyType& type) noexcept {
  return type.big_endian != (std::endian::native == std::endian::big);
}

bool convert_integers(const NpyType& type, const std::byte* from, std::span<std::int64_t> out) noexcept {
  const bool swap = needs_swap(type);
  const bool is_signed = type.kind == 'i';
  switch (type.size) {
    case 1:
      return is_signed ? convert_integers<std::int8_t>(from, swap, out)
                       : convert_integers<std::uint8_t>(from, swap, out);
    case 2:
      return is_signed ? convert_integers<std::int16_t>(from, swap, out)
                       : convert_integers<std::uint16_t>(from, swap, out);
    case 4:
      return is_signed ? convert_integers<std::int32_t>(from, swap, out)
                       : convert_integers<std::uint32_t>(from, swap, out);
    default:
      return is_signed ? convert_integers<std::int64_t>(from, swap, out)
                       : convert_integers<std::uint64_t>(from, swap, out);
  }
}

/// Copies `count` elements that lie `stride` elements apart.
template <std::size_t Size>
void gather(const std::byte* from, std::uint64_t stride, std::byte* to, std::uint64_t count) noexcept {
  for (std::uint64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * Size, from + i * stride * Size, Size);
  }
}

}  // namespace

NpyReader::NpyReader(std::unique_ptr<ByteSource> bytes) : bytes_(std::move(bytes)) {
  header_ = parse_npy_header(read_header_text(*bytes_, header_bytes_), name());
  elements_ = element_count(header_, name());
  if (header_.shape.size() < 2) {
    header_.fortran_order = false;  // the two orders are the same
  }
}

NpyReader::NpyReader(std::unique_ptr<ByteSource> bytes, NpyHeader header)
    : bytes_(std::move(bytes)), header_(std::move(header)), elements_(element_count(header_, name())) {}

void NpyReader::require_integers() {
  if (!header_.type.is_integer()) {
    throw TraceError(name(), "dtype is {}, expected int8 to int64 or uint8 to uint64", header_.type.name());
  }
  require_size();
}

void NpyReader::require_float16() {
  if (!header_.type.is_float16()) {
    throw TraceError(name(), "dtype is {}, expected float16", header_.type.name());
  }
  require_size();
}

void NpyReader::require_size() {
  const std::uint64_t held = bytes_->size() - header_bytes_;
  if (elements_ > std::numeric_limits<std::uint64_t>::max() / header_.type.size) {
    throw TraceError(name(), "holds {} bytes of data, shape {} of {} needs more than 64 bits count", held,
                     header_.shape_text(), header_.type.name());
  }
  if (elements_ * header_.type.size != held) {
    throw TraceError(name(), "holds {} bytes of data, shape {} of {} needs {}", held, header_.shape_text(),
                     header_.type.name(), elements_ * header_.type.size);
  }
}

void NpyReader::read(std::span<std::int64_t> out) {
  while (!out.empty()) {
    const std::span<const std::byte> from = buffered(out.size());
    const std::span<std::int64_t> part = out.first(from.size() / header_.type.size);
    if (!convert_integers(header_.type, from.data(), part)) {
      throw TraceError(name(), "holds a number above {}, expected an id below 2147483648",
                       std::numeric_limits<std::int64_t>::max());
    }
    out = out.subspan(part.size());
  }
}

void NpyReader::read(std::span<std::uint16_t> out) {
  assert(header_.type.is_float16());
  while (!out.empty()) {
    const std::span<const std::byte> from = buffered(out.size());
    const std::span<std::uint16_t> part = out.first(from.size() / sizeof(std::uint16_t));
    if (needs_swap(header_.type)) {
      convert<std::uint16_t, true>(from.data(), part);
    } else {
      convert<std::uint16_t, false>(from.data(), part);
    }
    out = out.subspan(part.size());
  }
}

void NpyReader::skip(std::uint64_t count) {
  while (count > 0) {
    count -= buffered(count).size() / header_.type.size;
  }
}

/// At least one element and at most `elements_wanted`, taken out of the buffer.
std::span<const std::byte> NpyReader::buffered(std::uint64_t elements_wanted) {
  if (consumed_ == buffer_.size()) {
    refill();
  }
  const std::size_t available = buffer_.size() - consumed_;
  const std::size_t taken = elements_wanted < available / header_.type.size
                                ? static_cast<std::size_t>(elements_wanted) * header_.type.size
                                : available;
  const std::span<const std::byte> out = std::span(buffer_).subspan(consumed_, taken);
  consumed_ += taken;
  return out;
}

void NpyReader::refill() {
  assert(fetched_ < elements_);
  const std::uint64_t count = std::min<std::uint64_t>(buffer_bytes / header_.type.size, elements_ - fetched_);
  buffer_.resize(static_cast<std::size_t>(count) * header_.type.size);
  consumed_ = 0;
  if (header_.fortran_order) {
    if (fortran_.empty()) {
      load_fortran();
    }
    gather_fortran(buffer_);
    fetched_ += count;
    return;
  }
  bytes_->read(buffer_);
  fetched_ += count;
  if (fetched_ == elements_) {
    bytes_->finish();  // before the last elements are used: a checksum speaks for all of them
  }
}

/// Grows with what arrives, not with what the size claims: a zip directory can claim anything.
void NpyReader::load_fortran() {
  const std::uint64_t size = elements_ * header_.type.size;
  try {
    while (fortran_.size() < size) {
      const std::size_t old_size = fortran_.size();
      const std::uint64_t growth = std::min<std::uint64_t>(std::max(buffer_bytes, old_size), size - old_size);
      fortran_.resize(old_size + static_cast<std::size_t>(growth));
      bytes_->read(std::span(fortran_).subspan(old_size));
    }
  } catch (const std::bad_alloc&) {
    throw SystemError(name(), "{} bytes in Fortran order do not fit in memory; save the array in C order", size);
  }
  bytes_->finish();
}

/// The elements from fetched_ on, in C order: runs along the last dimension, whose stride is the product of the others.
void NpyReader::gather_fortran(std::span<std::byte> out) const {
  const std::size_t size = header_.type.size;
  const std::uint64_t last = header_.shape.back();
  const std::uint64_t stride = elements_ / last;
  std::uint64_t at = fetched_;
  while (!out.empty()) {
    std::uint64_t outer = at / last;  // number of the run, in C order
    std::uint64_t offset = (at % last) * stride;
    std::uint64_t outer_stride = stride;
    for (std::size_t i = header_.shape.size() - 1; i-- > 0;) {
      outer_stride /= header_.shape[i];
      offset += outer % header_.shape[i] * outer_stride;
      outer /= header_.shape[i];
    }
    const std::uint64_t run = std::min<std::uint64_t>(last - at % last, out.size() / size);
    const std::byte* const from = fortran_.data() + offset * size;
    switch (size) {
      case 1:
        gather<1>(from, stride, out.data(), run);
        break;
      case 2:
        gather<2>(from, stride, out.data(), run);
        break;
      case 4:
        gather<4>(from, stride, out.data(), run);
        break;
      default:
        gather<8>(from, stride, out.data(), run);
        break;
    }
    at += run;
    out = out.subspan(static_cast<std::size_t>(run) * size);
  }
}

}  // namespace dsasim
