# Configures the project of this folder in SCRATCH and installs it: dsasim (in the folder DSASIM) adds nothing to what the
# project installs. Nothing is built.
file(REMOVE_RECURSE ${SCRATCH})
foreach(arguments IN ITEMS "-S;${CMAKE_CURRENT_LIST_DIR};-B;${SCRATCH}/build;-G;${GENERATOR};-DCMAKE_CXX_COMPILER=${COMPILER};-DDSASIM=${DSASIM}"
                           "--install;${SCRATCH}/build;--prefix;${SCRATCH}/prefix")
  execute_process(COMMAND ${CMAKE_COMMAND} ${arguments} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(GLOB installed ${SCRATCH}/prefix/*)
if(installed)
  message(FATAL_ERROR "expected nothing installed, found ${installed}")
endif()
