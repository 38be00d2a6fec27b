# SPDX-License-Identifier: Apache-2.0
# Headers of others take most of the time that a file takes to compile, so they are compiled once for all targets of a
# kind. A target of another kind's flags cannot share them: position-independent code is asked for in the same words.
#   pivot_std_headers   the standard library, Abseil's statuses, JSON
#   pivot_rpc_headers   those, gRPC and what Protobuf generates; made in proto/
#   NAME_test_headers   those of NAME with GoogleMock
set(
  PIVOT_STD_HEADERS
  <algorithm>
  <array>
  <cstdint>
  <filesystem>
  <fstream>
  <functional>
  <map>
  <memory>
  <optional>
  <string>
  <string_view>
  <utility>
  <vector>
  <absl/status/status.h>
  <absl/status/statusor.h>
  <absl/strings/str_cat.h>
  <nlohmann/json.hpp>
)

# pivot_headers(NAME HEADERS... LIBRARIES...)
function(pivot_headers name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LIBRARIES" ${ARGN})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "// Nothing: its precompiled headers are what is used.\n")
  add_library(${name} STATIC ${source})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} pivot_warnings)
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  # A compiler may write a time into the file that ccache would see change.
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:Clang>:-Xclang;-fno-pch-timestamp>)
endfunction()

# pivot_precompiled(PROVIDER TARGET...)
function(pivot_precompiled provider)
  foreach(target ${ARGN})
    get_target_property(type ${target} TYPE)
    if(type STREQUAL EXECUTABLE)
      set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fPIC>)
    endif()
    target_precompile_headers(${target} REUSE_FROM ${provider})
  endforeach()
endfunction()

pivot_headers(pivot_std_headers HEADERS ${PIVOT_STD_HEADERS} LIBRARIES pivot::absl nlohmann_json::nlohmann_json)
if(PIVOT_TESTS)
  find_package(GTest REQUIRED)
  pivot_headers(
    pivot_std_test_headers
    HEADERS ${PIVOT_STD_HEADERS} <gmock/gmock.h> <gtest/gtest.h>
    LIBRARIES pivot::absl nlohmann_json::nlohmann_json GTest::gmock
  )
endif()
