# SPDX-License-Identifier: Apache-2.0
# pivot_warnings: what every target of ours is compiled with. Warnings are errors, for the host compiler and for nvcc.
add_library(pivot_warnings INTERFACE)
target_compile_options(
  pivot_warnings
  INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-missing-field-initializers;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Wold-style-cast;-Wcast-qual;-Wunused;-Woverloaded-virtual;-Wimplicit-fallthrough;-Werror>
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Wall;-Xcompiler=-Wextra;-Xcompiler=-Werror>
)
# GCC 12 finds overlaps and overflows that are not there in std::string's operator+ (its bugs 105329 and 105651), in one
# build and not in the next. Clang, which builds for sanitizers and clang-tidy, looks for the same.
target_compile_options(
  pivot_warnings
  INTERFACE
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow>
)
