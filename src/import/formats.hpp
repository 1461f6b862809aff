#pragma once

#include "dsasim/import/import.hpp"

namespace dsasim {

// One function for each row of the list in formats.cpp, defined in the file of that name.
ImportFormat npz_format();
ImportFormat npy_format();

}  // namespace dsasim
