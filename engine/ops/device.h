// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_DEVICE_H_
#define PIVOT_ENGINE_OPS_DEVICE_H_

// The device that a worker computes on, and the way to its kernels.

#include <c10/core/Device.h>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/ops/cuda_ops.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

struct ComputeDevice {
  c10::Device device = c10::Device(c10::DeviceType::CPU);
  std::string name;          // "AMD EPYC 9B14", "NVIDIA H100 80GB HBM3"
  int threads = 1;           // of the CPU
  int64_t memory_bytes = 0;  // of the GPU, or of the host

  DeviceKind kind() const { return device.is_cuda() ? DeviceKind::kCuda : DeviceKind::kCpu; }
};

/// "cpu" or "cuda:N". For a GPU this loads libpivot_cuda.so, found in ../lib beside the executable, before ATen has
/// looked for CUDA; it must come before any other use of ATen. `threads` 0: one a core. kFailedPrecondition (reason
/// DEVICE_NOT_FOUND) when the library or the GPU is missing.
absl::StatusOr<ComputeDevice> OpenDevice(const std::string& name, int threads);

/// Null until OpenDevice has opened a GPU.
const CudaOps* LoadedCudaOps();

/// OK for 0; out of memory becomes kResourceExhausted, the rest kAborted with reason DEVICE_FAULT. `what` names kernel
/// and shapes.
absl::Status StatusFromCuda(int error, absl::string_view what);

struct MemoryUse {
  int64_t host_bytes = 0;       // resident now
  int64_t peak_host_bytes = 0;  // resident at most
  int64_t gpu_bytes = 0;        // taken from the device now
  int64_t peak_gpu_bytes = 0;   // allocated by tensors at most
};
MemoryUse MeasureMemory(const ComputeDevice& device);

/// Gives host memory that was freed back to the system: the allocator keeps most of it for tensors to come.
void ReturnFreeMemory();

/// Whether this processor multiplies bfloat16 in tiles (AMX). Always false in code compiled by a Clang before 18, which
/// has no name for it.
bool HasTileUnit();

/// What `wanted` means on this device. Automatic is bfloat16 on a GPU and on processors with instructions for it
/// (AVX512_BF16, AMX), which multiply it two to eight times as fast, else float32: a property of the device, so that
/// equal jobs stay equal.
ComputeDtype ResolveDtype(const ComputeDevice& device, ComputeDtype wanted);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_DEVICE_H_
