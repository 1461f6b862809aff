# Man pages and completions of shells, which the tool writes itself.
set(manual ${PROJECT_BINARY_DIR}/manual)
file(MAKE_DIRECTORY ${manual})
add_custom_command(
  OUTPUT ${manual}/dsasim.bash ${manual}/dsasim.fish ${manual}/_dsasim ${manual}/man1/dsasim.1
  COMMAND dsasim_cli man --all ${manual}/man1
  COMMAND dsasim_cli completion bash > ${manual}/dsasim.bash
  COMMAND dsasim_cli completion fish > ${manual}/dsasim.fish
  COMMAND dsasim_cli completion zsh > ${manual}/_dsasim
  DEPENDS dsasim_cli VERBATIM)
add_custom_target(dsasim_manual ALL DEPENDS ${manual}/dsasim.bash)
install(DIRECTORY ${manual}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${manual}/dsasim.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME dsasim)
install(FILES ${manual}/dsasim.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${manual}/_dsasim DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
