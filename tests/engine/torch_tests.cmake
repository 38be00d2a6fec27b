# SPDX-License-Identifier: Apache-2.0
# Tests of what computes with ATen. One program: linking libtorch is what takes time.
add_library(pivot_reference STATIC quantize/reference.cc support/placed_windows.cc support/random_block.cc)
target_link_libraries(pivot_reference PUBLIC pivot::engine PRIVATE pivot_warnings)
pivot_precompiled(pivot_engine pivot_reference)

pivot_test(
  engine_test
  SOURCES
    allocate/curvature_test.cc
    allocate/rank_correlation_test.cc
    calibration/arrow_file_test.cc
    calibration/block_pass_test.cc
    calibration/documents_test.cc
    calibration/expert_pass_test.cc
    calibration/input_statistics_test.cc
    calibration/quality_filter_test.cc
    calibration/sampling_test.cc
    calibration/text_windows_test.cc
    calibration/window_tensor_test.cc
    checkpoint/block_shard_test.cc
    checkpoint/float_tensors_test.cc
    checkpoint/journal_test.cc
    checkpoint/linear_tensors_test.cc
    checkpoint/narrow_tensor_test.cc
    evaluate/paired_difference_test.cc
    evaluate/quality_test.cc
    evaluate/reload_check_test.cc
    forward/block_test.cc
    forward/experts_test.cc
    ops/row_forms_test.cc
    ops/triangles_test.cc
    pipeline/calibration_data_test.cc
    pipeline/compress_budget_test.cc
    pipeline/compress_experts_test.cc
    pipeline/compress_refine_test.cc
    pipeline/compress_test.cc
    pipeline/compress_unknown_test.cc
    pipeline/convert_floats_test.cc
    pipeline/convert_test.cc
    pipeline/gguf_test.cc
    pipeline/plan_trial_test.cc
    quantize/float_grid_test.cc
    quantize/gptq_test.cc
    quantize/qep_test.cc
    quantize/refine_test.cc
    quantize/solve_group_test.cc
    refine/self_text_test.cc
    refine/teacher_loss_test.cc
    refine/trainable_linear_test.cc
    refine/window_training_test.cc
  LIBRARIES pivot::engine pivot_reference pivot_tiny_model
  LABEL native
  TIMEOUT 600
)
set_target_properties(engine_test PROPERTIES PIVOT_STATIC_ABSL ON)
target_precompile_headers(engine_test PRIVATE <ATen/ATen.h> ${PIVOT_STD_HEADERS} <gmock/gmock.h> <gtest/gtest.h>)

# Of the one source, so that the precompiled header fits programs without them.
set(PIVOT_ARROW_TEST_DEFINITIONS PIVOT_GOLDEN_DIR="${CMAKE_SOURCE_DIR}/tests/golden")
if(TARGET pivot_arrow)
  list(APPEND PIVOT_ARROW_TEST_DEFINITIONS PIVOT_HAS_ARROW)
  add_dependencies(engine_test pivot_arrow)
endif()
set_source_files_properties(
  calibration/arrow_file_test.cc
  PROPERTIES COMPILE_DEFINITIONS "${PIVOT_ARROW_TEST_DEFINITIONS}"
)

if(TARGET pivot_cuda)
  # Loads libpivot_cuda.so as the worker does, from ../lib.
  pivot_test(engine_cuda_test SOURCES gpu/gpu_agreement_test.cc LIBRARIES pivot::engine pivot_reference LABEL gpu)
  set_target_properties(engine_cuda_test PROPERTIES PIVOT_STATIC_ABSL ON)
  target_precompile_headers(engine_cuda_test REUSE_FROM engine_test)
  add_dependencies(engine_cuda_test pivot_cuda)
  add_dependencies(native_checks engine_cuda_test)
endif()
