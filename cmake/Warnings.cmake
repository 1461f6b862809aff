# Warnings of our own targets, never exported. Whether they are errors is CMAKE_COMPILE_WARNING_AS_ERROR.
# -Wnull-dereference is left out: g++ 12 reports it inside vector::resize (GCC bug 108860).
# -Wrestrict is off for g++: version 12 reports it inside operator+ of std::string (GCC bug 105651).
function(dsasim_set_warnings target)
  target_compile_options(
    ${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                      -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual
                      $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  )
endfunction()
