# The version is written in project() alone. Where else it appears it must be the same, and CITATION.cff is valid enough.
file(STRINGS CITATION.cff citation REGEX "^version:")
if(NOT citation STREQUAL "version: ${VERSION}")
  message(SEND_ERROR "CITATION.cff has \"${citation}\"; project() has ${VERSION}")
endif()

file(STRINGS CHANGELOG.md headings REGEX "^## [0-9]")
list(GET headings 0 newest)
string(REPLACE "." "\\." pattern ${VERSION})
if(NOT newest MATCHES "^## ${pattern}( |$)")
  message(SEND_ERROR "the newest version in CHANGELOG.md is \"${newest}\"; project() has ${VERSION}")
endif()

execute_process(COMMAND ${TOOL} --version OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
if(NOT printed MATCHES "^${pattern}\n(commit [0-9a-f]+\n)?trace format 1 to [0-9]+\n$")
  message(SEND_ERROR "dsasim --version prints \"${printed}\"; project() has ${VERSION}")
endif()
