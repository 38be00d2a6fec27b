# SPDX-License-Identifier: Apache-2.0
# pivot_warnings: what every target of ours is compiled with. Warnings are errors, for the host compiler and for nvcc.
add_library(pivot_warnings INTERFACE)
target_compile_options(
  pivot_warnings
  INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-missing-field-initializers;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Wold-style-cast;-Wcast-qual;-Wunused;-Woverloaded-virtual;-Wimplicit-fallthrough;-Werror>
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Wall;-Xcompiler=-Wextra;-Xcompiler=-Werror>
)
