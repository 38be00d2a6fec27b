// SPDX-License-Identifier: Apache-2.0
#include "kernels/bf16.cuh"
#include "kernels/gated_silu.h"
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

constexpr int kThreads = 256;

template <int kWidth>
__device__ void ActivateAt(const GatedSiluInput& input, int64_t first) {
  float gate[kWidth];
  float up[kWidth];
  LoadBf16(input.gate + first, gate);
  LoadBf16(input.up + first, up);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) gate[i] = NearestBf16(gate[i] / (1.0F + expf(-gate[i]))) * up[i];
  StoreBf16(gate, input.out + first);
}

/// The first num_runs threads take eight elements each, the others one each of those behind. A thread has read its
/// elements before it writes them, so that `out` may be `gate`.
__global__ void __launch_bounds__(kThreads) GatedSiluKernel(GatedSiluInput input, int64_t num_runs) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index < num_runs) {
    ActivateAt<kBf16Run>(input, index * kBf16Run);
    return;
  }
  const int64_t single = index + num_runs * (kBf16Run - 1);
  if (single < input.count) ActivateAt<1>(input, single);
}

}  // namespace

cudaError_t LaunchGatedSilu(const GatedSiluInput& input, cudaStream_t stream) {
  if (input.count == 0) return cudaSuccess;
  const bool is_aligned = IsRunAligned(input.gate) && IsRunAligned(input.up) && IsRunAligned(input.out);
  const int64_t num_runs = is_aligned ? input.count / kBf16Run : 0;
  const int64_t threads = input.count - num_runs * (kBf16Run - 1);
  const auto blocks = static_cast<unsigned>((threads + kThreads - 1) / kThreads);
  GatedSiluKernel<<<blocks, kThreads, 0, stream>>>(input, num_runs);
  return cudaGetLastError();
}

}  // namespace pivot
