# SPDX-License-Identifier: Apache-2.0
# libtorch from the PyPI wheel, as two imported targets made by hand: find_package(Torch) aborts without a CUDA toolkit
# and links twenty CUDA libraries that the worker then cannot start without.
#   torch::cpu    libtorch_cpu and libc10; needs libcudart and libcupti to load, nothing else of CUDA
#   torch::cuda   libtorch_cuda and libc10_cuda, for libpivot_cuda.so alone
if(NOT PIVOT_TORCH_DIR)
  file(GLOB PIVOT_TORCH_CANDIDATES ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  list(GET PIVOT_TORCH_CANDIDATES 0 PIVOT_TORCH_FOUND)
  set(PIVOT_TORCH_DIR "${PIVOT_TORCH_FOUND}" CACHE PATH "site-packages/torch of the wheel")
endif()
if(NOT EXISTS ${PIVOT_TORCH_DIR}/lib/libtorch_cpu.so)
  message(
    FATAL_ERROR
    "torch not found: run scripts/setup.sh, or set PIVOT_TORCH_DIR to site-packages/torch, or -DPIVOT_ENGINE=OFF"
  )
endif()
set(PIVOT_TORCH_LIB ${PIVOT_TORCH_DIR}/lib)
file(GLOB PIVOT_NVIDIA_LIBS LIST_DIRECTORIES true ${PIVOT_TORCH_DIR}/../nvidia/*/lib)

add_library(torch::c10 SHARED IMPORTED)
set_target_properties(torch::c10 PROPERTIES IMPORTED_LOCATION ${PIVOT_TORCH_LIB}/libc10.so)
add_library(torch::cpu SHARED IMPORTED)
set_target_properties(
  torch::cpu
  PROPERTIES
    IMPORTED_LOCATION ${PIVOT_TORCH_LIB}/libtorch_cpu.so
    INTERFACE_INCLUDE_DIRECTORIES ${PIVOT_TORCH_DIR}/include
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${PIVOT_TORCH_DIR}/include
    INTERFACE_LINK_LIBRARIES torch::c10
    INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined"
)
add_library(torch::c10_cuda SHARED IMPORTED)
set_target_properties(torch::c10_cuda PROPERTIES IMPORTED_LOCATION ${PIVOT_TORCH_LIB}/libc10_cuda.so)
add_library(torch::cuda SHARED IMPORTED)
set_target_properties(
  torch::cuda
  PROPERTIES IMPORTED_LOCATION ${PIVOT_TORCH_LIB}/libtorch_cuda.so INTERFACE_LINK_LIBRARIES "torch::cpu;torch::c10_cuda"
)
