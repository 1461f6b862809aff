#include "dsasim/version.hpp"

#include "trace/file_layout.hpp"

namespace dsasim {

std::string_view version() noexcept {
  return DSASIM_VERSION;
}

std::string_view commit() noexcept {
  return DSASIM_COMMIT;
}

std::uint32_t trace_format() noexcept {
  return trace::format_version;
}

}  // namespace dsasim
