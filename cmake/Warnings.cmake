# Warnings of our own targets, never exported. Whether they are errors is CMAKE_COMPILE_WARNING_AS_ERROR.
# -Wnull-dereference is left out: g++ 12 reports it inside vector::resize (GCC bug 108860).
function(dsasim_set_warnings target)
  target_compile_options(
    ${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                      -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual
  )
endfunction()
