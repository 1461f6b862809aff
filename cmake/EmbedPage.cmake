# Makes ${PROJECT_BINARY_DIR}/embedded_page.cpp of src/report/html/ and of D3, which the distribution has: `dsasim report`
# writes pages that load nothing. A change of a file configures again.
find_file(DSASIM_D3 d3.min.js PATHS /usr/share/javascript/d3 /usr/local/share/javascript/d3 NO_DEFAULT_PATH
          DOC "D3, version 3, minified")
find_file(DSASIM_D3_LICENCE copyright PATHS /usr/share/doc/libjs-d3 /usr/local/share/doc/libjs-d3 NO_DEFAULT_PATH
          DOC "The licence of D3")
if(NOT DSASIM_D3 OR NOT DSASIM_D3_LICENCE)
  message(FATAL_ERROR "D3 was not found, which draws the pictures of `dsasim report`. Please install the package libjs-d3, "
          "or name the files of D3 version 3: -DDSASIM_D3=.../d3.min.js -DDSASIM_D3_LICENCE=.../LICENSE. "
          "-DDSASIM_PICTURES=OFF builds dsasim without `report`.")
endif()

function(dsasim_embed_page target)
  set(folder ${PROJECT_SOURCE_DIR}/src/report/html)
  file(GLOB scripts CONFIGURE_DEPENDS ${folder}/*.js ${folder}/pictures/*.js)
  list(REMOVE_ITEM scripts ${folder}/page.js)
  list(APPEND scripts ${folder}/page.js) # the page is built once all else is there
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${scripts} ${folder}/page.html ${folder}/page.css
               ${DSASIM_D3} ${DSASIM_D3_LICENCE})
  file(READ ${folder}/page.html page)
  file(READ ${folder}/page.css style)
  file(READ ${DSASIM_D3} d3)
  file(READ ${DSASIM_D3_LICENCE} licence)
  if(NOT d3 MATCHES "version:\"3\\.")
    message(FATAL_ERROR "${DSASIM_D3}: expected D3 version 3, whose names the pictures use")
  endif()
  if(d3 MATCHES "</script|<!--")
    message(FATAL_ERROR "${DSASIM_D3}: holds </script or <!--, which ends a script in a page")
  endif()
  set(text "")
  foreach(script IN LISTS scripts)
    file(READ ${script} one)
    string(APPEND text "${one}\n")
  endforeach()
  foreach(pair IN ITEMS "&:amp" "<:lt" ">:gt")
    string(REGEX MATCH "^(.):(.*)$" _ "${pair}")
    string(REPLACE "${CMAKE_MATCH_1}" "&${CMAKE_MATCH_2};" licence "${licence}")
  endforeach()
  string(FIND "${page}" "@documents@" middle)
  string(SUBSTRING "${page}" 0 ${middle} before)
  string(LENGTH "@documents@" length)
  math(EXPR middle "${middle} + ${length}")
  string(SUBSTRING "${page}" ${middle} -1 after)
  string(REPLACE "@style@" "${style}" before "${before}")
  string(REPLACE "@licence@" "${licence}" before "${before}")
  string(REPLACE "@scripts@" "${text}" after "${after}")
  string(REPLACE "@d3@" "${d3}" after "${after}")
  set(output ${PROJECT_BINARY_DIR}/embedded_page.cpp)
  file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [[
#include "report/html_page.hpp"

namespace dsasim {

HtmlPage html_page() {
  return {.before = R"page(@before@)page", .after = R"page(@after@)page"};
}

}  // namespace dsasim
]])
  target_sources(${target} PRIVATE ${output} src/report/html_report.cpp src/report/step_grid.cpp)
  # The standard asks compilers for literals of 64 KiB; g++ and clang++ have no limit.
  set_property(SOURCE ${output} APPEND PROPERTY COMPILE_OPTIONS -Wno-overlength-strings)
endfunction()
