# Sets dsasim_commit: of the checkout, "" without one. The next commit configures again, and compiles one source.
set(dsasim_commit "")
find_package(Git QUIET)
if(Git_FOUND AND PROJECT_IS_TOP_LEVEL)
  execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD --git-path logs/HEAD
                  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE found ERROR_QUIET RESULT_VARIABLE status)
  if(status EQUAL 0)
    string(REGEX REPLACE "\n.*" "" dsasim_commit "${found}")
    string(REGEX REPLACE "^[^\n]*\n|\n$" "" log "${found}")
    cmake_path(ABSOLUTE_PATH log BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
    if(EXISTS ${log})
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${log})
    endif()
  endif()
endif()

# Makes ${PROJECT_BINARY_DIR}/version.cpp, which says the version and the commit.
function(dsasim_embed_version target)
  configure_file(${PROJECT_SOURCE_DIR}/src/version.cpp.in ${PROJECT_BINARY_DIR}/version.cpp @ONLY)
  target_sources(${target} PRIVATE ${PROJECT_BINARY_DIR}/version.cpp)
endfunction()
