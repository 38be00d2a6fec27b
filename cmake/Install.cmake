# SPDX-License-Identifier: Apache-2.0
# The build folder and an installation have the same shape: bin/, lib/, share/pivot/{text/, torch.path}. An installation can be moved, and runs on a
# system that has a torch of the same version and no Debian library of ours: those are bundled.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/share/pivot)
file(CREATE_LINK ${PIVOT_TEXT_DIR} ${CMAKE_BINARY_DIR}/share/pivot/text SYMBOLIC)
if(NOT TARGET pivot OR NOT TARGET pivotd)
  return()
endif()
install(TARGETS pivot pivotd pivot-probe pivot-fetch RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PIVOT_TEXT_DIR}/calibration.txt ${PIVOT_TEXT_DIR}/evaluation.txt DESTINATION share/pivot/text)

set(PIVOT_INSTALLED_EXECUTABLES pivot pivotd pivot-probe pivot-fetch)
if(PIVOT_ENGINE)
  # Where pivotd looks for libtorch unless PIVOT_TORCH_LIB says otherwise.
  file(WRITE ${CMAKE_BINARY_DIR}/share/pivot/torch.path "${PIVOT_TORCH_LIB}\n")
  install(FILES ${CMAKE_BINARY_DIR}/share/pivot/torch.path DESTINATION share/pivot)
  install(TARGETS pivot-worker RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  list(APPEND PIVOT_INSTALLED_EXECUTABLES pivot-worker)
  # Where the worker looks for Arrow's libraries unless PIVOT_ARROW_LIB says otherwise.
  if(TARGET pivot_arrow)
    file(WRITE ${CMAKE_BINARY_DIR}/share/pivot/arrow.path "${PIVOT_ARROW_DIR}\n")
    install(FILES ${CMAKE_BINARY_DIR}/share/pivot/arrow.path DESTINATION share/pivot)
    install(TARGETS pivot_arrow LIBRARY DESTINATION lib)
  endif()
  if(TARGET pivot_cuda)
    install(TARGETS pivot_cuda LIBRARY DESTINATION lib)
  endif()
endif()

# The C and C++ runtimes come with every system; libtorch and CUDA come with torch.
list(TRANSFORM PIVOT_INSTALLED_EXECUTABLES REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE PIVOT_INSTALLED_FILES)
install(
  CODE
    "file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PIVOT_INSTALLED_FILES}
          RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
          PRE_EXCLUDE_REGEXES \"libtorch|libc10|libcud|libcupti|libgomp\"
          POST_EXCLUDE_REGEXES \"/(ld-linux|libc|libm|libdl|librt|libpthread|libresolv|libgcc_s|libstdc\\\\+\\\\+)[-.]\")
        foreach(library IN LISTS found)
          file(INSTALL DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib\" TYPE SHARED_LIBRARY FOLLOW_SYMLINK_CHAIN FILES \${library})
        endforeach()"
)
