# SPDX-License-Identifier: Apache-2.0
# Third-party libraries: Debian packages, and torch from its PyPI wheel. Nothing is fetched at configure time.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)

# pivot::absl: shared as gRPC's own dependency is, except in the worker, which must not need Debian's libraries of it.
# A target that links it chooses with the property PIVOT_STATIC_ABSL.
file(GLOB PIVOT_ABSL_ARCHIVES /usr/lib/*/libabsl_*.a)
if(NOT PIVOT_ABSL_ARCHIVES)
  message(FATAL_ERROR "libabsl_*.a not found: install libabsl-dev")
endif()
list(JOIN PIVOT_ABSL_ARCHIVES "," PIVOT_ABSL_ARCHIVE_LIST)
add_library(pivot_absl_static INTERFACE)
target_link_libraries(
  pivot_absl_static
  INTERFACE "-Wl,--start-group,${PIVOT_ABSL_ARCHIVE_LIST},--end-group" Threads::Threads
)
add_library(pivot_absl_shared INTERFACE)
target_link_libraries(
  pivot_absl_shared
  INTERFACE
    absl::status
    absl::statusor
    absl::strings
    absl::str_format
    absl::time
    absl::flat_hash_map
    absl::flat_hash_set
    absl::span
    absl::cord
    absl::synchronization
)
add_library(pivot_absl INTERFACE)
add_library(pivot::absl ALIAS pivot_absl)
target_link_libraries(
  pivot_absl
  INTERFACE $<IF:$<BOOL:$<TARGET_PROPERTY:PIVOT_STATIC_ABSL>>,pivot_absl_static,pivot_absl_shared>
)

if(PIVOT_ENGINE)
  include(Torch)
  include(Arrow)
endif()
