#pragma once

#include "byte_source.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dsasim {

/// The type of an array's elements, as the header's 'descr' says it: '<i4' is {'i', 4, false}.
struct NpyType {
  char kind = '?';       ///< numpy's letter: i, u, f, b, O, V, ...; '?' for what has not the form '<i4'
  std::size_t size = 0;  ///< bytes of one element; for some kinds ('U') a count of something else
  bool big_endian = false;
  std::string descr;

  bool is_integer() const noexcept;
  bool is_float16() const noexcept { return kind == 'f' && size == 2; }
  /// The name numpy's users know, "int32", where there is one.
  std::string name() const;
};

struct NpyHeader {
  NpyType type;
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;

  /// As Python writes it: "(1024, 16, 512)".
  std::string shape_text() const;
};

/// One array in numpy's format (versions 1.0, 2.0 and 3.0), read once, in C order whatever the order of the file.
/// A C-ordered array goes through a buffer of 1 MiB; one in Fortran order is held whole, since its first row ends
/// near the end of the file.
class NpyReader {
 public:
  /// Reads the header and nothing else. Throws TraceError if there is none that can be read.
  explicit NpyReader(std::unique_ptr<ByteSource> bytes);
  /// An array of this header without its header: all bytes are elements.
  NpyReader(std::unique_ptr<ByteSource> bytes, NpyHeader header);

  const std::string& name() const { return bytes_->name(); }
  const NpyHeader& header() const noexcept { return header_; }
  std::uint64_t elements() const noexcept { return elements_; }

  /// One of these comes before the first read. They throw TraceError unless the elements are of that type and the
  /// source holds exactly as many bytes as the shape needs; nothing is allocated by what a header claims.
  void require_integers();
  void require_float16();

  /// The next elements. Throws TraceError for damage, and for an unsigned integer that int64 cannot hold.
  void read(std::span<std::int64_t> out);
  /// The next elements of a float16 array, as their 16 bits.
  void read(std::span<std::uint16_t> out);
  void skip(std::uint64_t count);

 private:
  void require_size();
  std::span<const std::byte> buffered(std::uint64_t elements_wanted);
  void refill();
  void load_fortran();
  void gather_fortran(std::span<std::byte> out) const;

  std::unique_ptr<ByteSource> bytes_;
  NpyHeader header_;
  std::uint64_t header_bytes_ = 0;
  std::uint64_t elements_ = 0;
  std::uint64_t fetched_ = 0;      ///< elements that have been in buffer_
  std::vector<std::byte> buffer_;  ///< elements fetched in C order
  std::size_t consumed_ = 0;       ///< bytes of buffer_ that were given out
  std::vector<std::byte> fortran_;
};

}  // namespace dsasim
