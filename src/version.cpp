#include "dsasim/version.hpp"

namespace dsasim {

std::string_view version() noexcept {
  return DSASIM_VERSION;
}

}  // namespace dsasim
