#pragma once

#include <string_view>

namespace dsasim {

/// The page of src/report/html/, with D3 in it: cmake/EmbedPage.cmake. The documents go between the two.
struct HtmlPage {
  std::string_view before;
  std::string_view after;
};
HtmlPage html_page();

}  // namespace dsasim
