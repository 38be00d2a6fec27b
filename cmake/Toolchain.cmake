# SPDX-License-Identifier: Apache-2.0
# Build types, sanitizers, ccache and the linker.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Dev or Sanitize" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEV "-O2 -g1")
# Without optimization: compiling takes longer than running.
set(CMAKE_CXX_FLAGS_SANITIZE "-O0 -g1 -fno-omit-frame-pointer")
# Fuzzers run for long.
set(CMAKE_CXX_FLAGS_FUZZ "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_CUDA_FLAGS_DEV "-O2 -lineinfo")

if(PIVOT_SANITIZE)
  add_compile_options(
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${PIVOT_SANITIZE}>
    $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>
  )
  add_link_options(-fsanitize=${PIVOT_SANITIZE})
endif()

# What a fuzzer looks at tells it where an input has led. Not -fsanitize=fuzzer-no-link, which says the same and does not
# fit precompiled headers made without it.
function(pivot_fuzzed)
  if(PIVOT_FUZZ)
    foreach(target ${ARGN})
      target_compile_options(
        ${target}
        PRIVATE -fsanitize-coverage=inline-8bit-counters,indirect-calls,trace-cmp,pc-table
      )
    endforeach()
  endif()
endfunction()

find_program(PIVOT_CCACHE ccache)
if(PIVOT_CCACHE)
  # A precompiled header is cached only if ccache is told that its time stamps do not matter.
  set(
    PIVOT_COMPILER_LAUNCHER
    ${CMAKE_COMMAND}
    -E
    env
    CCACHE_SLOPPINESS=pch_defines,time_macros
    ${PIVOT_CCACHE}
  )
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PIVOT_COMPILER_LAUNCHER})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${PIVOT_COMPILER_LAUNCHER})
endif()

find_program(PIVOT_MOLD mold)
if(PIVOT_MOLD)
  add_link_options($<$<LINK_LANGUAGE:CXX>:-fuse-ld=mold>)
endif()

if(PIVOT_CUDA AND PIVOT_ENGINE)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(
        CMAKE_CUDA_ARCHITECTURES
        80-real
        86-real
        89-real
        90a-real
        100-real
        120
      )
    endif()
    enable_language(CUDA)
    set(CMAKE_CUDA_STANDARD 17)
  else()
    message(STATUS "no CUDA compiler: libpivot_cuda.so is not built, the worker runs on the CPU only")
  endif()
endif()

# pivot_fast_when_sanitized(SOURCE...): what computes for minutes without optimisation. A precompiled header is of one
# level, so these go without.
function(pivot_fast_when_sanitized)
  if(PIVOT_SANITIZE)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O2 SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()
