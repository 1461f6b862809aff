# Installs BUILD below SCRATCH, then configures, builds and runs the project in CONSUMER against it.
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()
file(REMOVE_RECURSE ${SCRATCH})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)
run(${CMAKE_COMMAND} -S ${CONSUMER} -B ${SCRATCH}/build -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER}
    "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix -DWANTED_VERSION=${VERSION})
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
run(${SCRATCH}/build/consumer ${VERSION})
run(${SCRATCH}/prefix/bin/dsasim --version)

# The same through pkg-config, as a program of one file is built; and the pages and completions are there.
file(GLOB_RECURSE pc ${SCRATCH}/prefix/dsasim.pc)
cmake_path(GET pc PARENT_PATH pc_dir)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})
execute_process(COMMAND pkg-config --cflags --libs dsasim OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags} ${FLAGS}")
set(share ${SCRATCH}/prefix/share)
run(${COMPILER} -std=c++20 ${share}/dsasim/examples/misses.cpp ${flags} -o ${SCRATCH}/misses)
run(${SCRATCH}/misses ${TRACE})
foreach(file IN ITEMS man/man1/dsasim.1 man/man1/dsasim-replay.1 bash-completion/completions/dsasim
                      zsh/site-functions/_dsasim fish/vendor_completions.d/dsasim.fish dsasim/configs/hisparse.json
                      doc/dsasim/LICENSE doc/dsasim/docs/README.md)
  if(NOT EXISTS ${share}/${file})
    message(SEND_ERROR "${share}/${file} is not installed")
  endif()
endforeach()
