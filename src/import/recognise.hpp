#pragma once

#include "dsasim/import/import.hpp"

#include <filesystem>
#include <string>

namespace dsasim {

/// The format of that name; "auto" is the first in import_formats() that recognises the file's beginning. Throws
/// ConfigError for an unknown name, TraceError for a file that no format recognises; each names those that are known.
const ImportFormat& choose_format(const std::filesystem::path& path, const std::string& name);

}  // namespace dsasim
