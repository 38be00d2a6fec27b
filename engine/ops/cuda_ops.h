// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_CUDA_OPS_H_
#define PIVOT_ENGINE_OPS_CUDA_OPS_H_

// What libpivot_cuda.so offers to the worker, which loads it with dlopen and knows no CUDA header. All pointers inside
// the arguments are device memory; every launcher is asynchronous on the given stream, needs no workspace and returns a
// cudaError_t.

#include <cstdint>

#include "kernels/asymmetric_clip.h"
#include "kernels/clip_search.h"
#include "kernels/gated_silu.h"
#include "kernels/gptq_panel.h"
#include "kernels/refine_group.h"
#include "kernels/rms_norm.h"
#include "kernels/rotary.h"

namespace pivot {

inline constexpr int kCudaOpsVersion = 6;

struct CudaOps {
  int version;
  const char* (*error_text)(int error);
  /// The stream that ATen's operations on this device are queued on.
  void* (*current_stream)(int device);
  /// Returns unused cached memory to the driver and says what is free and in all; bytes.
  int (*memory)(int device, int64_t* free_bytes, int64_t* total_bytes);
  /// What ATen's tensors take on the device now, and the most since the process began; bytes.
  int64_t (*allocated)(int device);
  int64_t (*peak_allocated)(int device);
  const char* (*device_name)(int device);
  int (*pack_rows)(const uint8_t* codes, int64_t rows, int64_t columns, int bits, uint32_t* words, void* stream);
  int (*gptq_panel)(const GptqPanel& panel, void* stream);
  int (*refine_group)(const RefineGroup& group, void* stream);
  int (*clip_search)(const ClipSearchInput& input, void* stream);
  int (*asymmetric_clip)(const AsymmetricClipInput& input, void* stream);
  int (*rms_norm)(const RmsNormInput& input, void* stream);
  int (*gated_silu)(const GatedSiluInput& input, void* stream);
  int (*rotary)(const RotaryInput& input, void* stream);
};

}  // namespace pivot

/// The table; the name to look up after dlopen.
extern "C" const pivot::CudaOps* pivot_cuda_ops();

#endif  // PIVOT_ENGINE_OPS_CUDA_OPS_H_
