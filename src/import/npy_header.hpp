#pragma once

#include "npy.hpp"

#include <string_view>

namespace dsasim {

/// Parses the dictionary of a .npy header: a Python literal with the keys 'descr', 'fortran_order' and 'shape', each
/// once, in any order, and no others. `where` names the array in messages. Throws TraceError.
NpyHeader parse_npy_header(std::string_view text, std::string_view where);

}  // namespace dsasim
