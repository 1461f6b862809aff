# Sets dsasim_commit: of the checkout, "" without one. The next commit configures again, and compiles one source.
set(dsasim_commit "")
find_package(Git QUIET)
if(Git_FOUND AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
  macro(dsasim_ask_git result)
    execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                    OUTPUT_VARIABLE ${result} OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endmacro()
  dsasim_ask_git(dsasim_commit --short=12 HEAD)
  dsasim_ask_git(log --git-path logs/HEAD)
  cmake_path(ABSOLUTE_PATH log BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(dsasim_commit AND EXISTS ${log})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${log})
  endif()
endif()

# Makes ${PROJECT_BINARY_DIR}/version.cpp, which says the version and the commit.
function(dsasim_embed_version target)
  configure_file(${PROJECT_SOURCE_DIR}/src/version.cpp.in ${PROJECT_BINARY_DIR}/version.cpp @ONLY)
  target_sources(${target} PRIVATE ${PROJECT_BINARY_DIR}/version.cpp)
endfunction()
