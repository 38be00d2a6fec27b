# SPDX-License-Identifier: Apache-2.0
# Arrow's C++ libraries from the PyPI wheel `pyarrow`, where it is installed (scripts/setup.sh --arrow): arrow::arrow and arrow::parquet, for
# libpivot_arrow.so alone. Without it everything else builds, and Parquet and Arrow files are refused.
if(NOT PIVOT_ARROW_DIR)
  file(GLOB PIVOT_ARROW_CANDIDATES ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/pyarrow)
  if(PIVOT_ARROW_CANDIDATES)
    list(GET PIVOT_ARROW_CANDIDATES 0 PIVOT_ARROW_FOUND)
  endif()
  set(PIVOT_ARROW_DIR "${PIVOT_ARROW_FOUND}" CACHE PATH "site-packages/pyarrow of the wheel")
endif()
foreach(library arrow parquet)
  # Their names carry a version.
  file(GLOB PIVOT_ARROW_LIBRARY ${PIVOT_ARROW_DIR}/lib${library}.so.*)
  if(NOT PIVOT_ARROW_LIBRARY OR NOT EXISTS ${PIVOT_ARROW_DIR}/include/arrow/api.h)
    message(STATUS "pyarrow not found: no Parquet and Arrow files")
    return()
  endif()
  list(GET PIVOT_ARROW_LIBRARY 0 PIVOT_ARROW_LIBRARY)
  add_library(arrow::${library} SHARED IMPORTED)
  set_target_properties(
    arrow::${library}
    PROPERTIES
      IMPORTED_LOCATION ${PIVOT_ARROW_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${PIVOT_ARROW_DIR}/include
      INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${PIVOT_ARROW_DIR}/include
  )
endforeach()
