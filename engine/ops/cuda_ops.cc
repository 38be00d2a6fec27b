// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/cuda_ops.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "kernels/launchers.cuh"

namespace pivot {
namespace {

const char* ErrorText(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

void* CurrentStream(int device) {
  return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream();
}

int Memory(int device, int64_t* free_bytes, int64_t* total_bytes) {
  c10::cuda::CUDACachingAllocator::emptyCache();
  if (const cudaError_t error = cudaSetDevice(device); error != cudaSuccess) return error;
  size_t free_size = 0;
  size_t total_size = 0;
  const cudaError_t error = cudaMemGetInfo(&free_size, &total_size);
  *free_bytes = static_cast<int64_t>(free_size);
  *total_bytes = static_cast<int64_t>(total_size);
  return error;
}

/// The allocator refuses to speak of a device before the first tensor was put on it.
c10::CachingAllocator::Stat AllocatedBytes(int device) {
  if (!c10::cuda::CUDACachingAllocator::get()->initialized()) return {};
  return c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device)).allocated_bytes[0];
}

int64_t Allocated(int device) { return AllocatedBytes(device).current; }
int64_t PeakAllocated(int device) { return AllocatedBytes(device).peak; }
const char* DeviceName(int device) {
  return at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(device))->name;
}

int PackRowsOnDevice(const uint8_t* codes, int64_t rows, int64_t columns, int bits, uint32_t* words, void* stream) {
  return LaunchPackRows(codes, rows, columns, bits, words, static_cast<cudaStream_t>(stream));
}

int GptqPanelOnDevice(const GptqPanel& panel, void* stream) {
  return LaunchGptqPanel(panel, static_cast<cudaStream_t>(stream));
}

int RefineGroupOnDevice(const RefineGroup& group, void* stream) {
  return LaunchRefineGroup(group, static_cast<cudaStream_t>(stream));
}

int ClipSearchOnDevice(const ClipSearchInput& input, void* stream) {
  return LaunchClipSearch(input, static_cast<cudaStream_t>(stream));
}

int AsymmetricClipOnDevice(const AsymmetricClipInput& input, void* stream) {
  return LaunchAsymmetricClip(input, static_cast<cudaStream_t>(stream));
}

int RmsNormOnDevice(const RmsNormInput& input, void* stream) {
  return LaunchRmsNorm(input, static_cast<cudaStream_t>(stream));
}

int GatedSiluOnDevice(const GatedSiluInput& input, void* stream) {
  return LaunchGatedSilu(input, static_cast<cudaStream_t>(stream));
}

int RotaryOnDevice(const RotaryInput& input, void* stream) {
  return LaunchRotary(input, static_cast<cudaStream_t>(stream));
}

}  // namespace
}  // namespace pivot

extern "C" __attribute__((visibility("default"))) const pivot::CudaOps* pivot_cuda_ops() {
  static constexpr pivot::CudaOps kOps{.version = pivot::kCudaOpsVersion,
                                       .error_text = pivot::ErrorText,
                                       .current_stream = pivot::CurrentStream,
                                       .memory = pivot::Memory,
                                       .allocated = pivot::Allocated,
                                       .peak_allocated = pivot::PeakAllocated,
                                       .device_name = pivot::DeviceName,
                                       .pack_rows = pivot::PackRowsOnDevice,
                                       .gptq_panel = pivot::GptqPanelOnDevice,
                                       .refine_group = pivot::RefineGroupOnDevice,
                                       .clip_search = pivot::ClipSearchOnDevice,
                                       .asymmetric_clip = pivot::AsymmetricClipOnDevice,
                                       .rms_norm = pivot::RmsNormOnDevice,
                                       .gated_silu = pivot::GatedSiluOnDevice,
                                       .rotary = pivot::RotaryOnDevice};
  return &kOps;
}
