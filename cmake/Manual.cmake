# Man pages and completions of shells, which the tool writes itself: whoever has built it can install it.
set(manual ${PROJECT_BINARY_DIR}/manual)
file(MAKE_DIRECTORY ${manual})
add_custom_command(
  TARGET dsasim_cli POST_BUILD
  COMMAND dsasim_cli man --all ${manual}/man1
  COMMAND dsasim_cli completion bash > ${manual}/dsasim.bash
  COMMAND dsasim_cli completion fish > ${manual}/dsasim.fish
  COMMAND dsasim_cli completion zsh > ${manual}/_dsasim
  VERBATIM)
install(DIRECTORY ${manual}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${manual}/dsasim.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME dsasim)
install(FILES ${manual}/dsasim.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${manual}/_dsasim DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
