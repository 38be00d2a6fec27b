// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/bf16.cuh"
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

constexpr int kLanes = 32;
constexpr int kThreads = 256;
constexpr int kMaxThreads = 512;       // for wide rows
constexpr int kMaxRuns = 8;            // a thread holds, in registers
constexpr int kSharedColumns = 16384;  // 32 KiB, within what a kernel has without asking

/// Every thread of the block gets the total, added up in the same order each time.
__device__ float SumOverThreadBlock(float partial) {
  __shared__ float sums[kMaxThreads / kLanes];
#pragma unroll
  for (int half = kLanes / 2; half > 0; half /= 2) partial += __shfl_xor_sync(0xFFFFFFFFU, partial, half);
  if (threadIdx.x % kLanes == 0) sums[threadIdx.x / kLanes] = partial;
  __syncthreads();
  float total = 0;
  for (unsigned warp = 0; warp < blockDim.x / kLanes; ++warp) total += sums[warp];
  return total;
}

__device__ float InverseRms(const RmsNormInput& input, float sum_of_squares) {
  return rsqrtf(sum_of_squares / static_cast<float>(input.columns) + input.epsilon);
}

/// A thread block takes a row of `columns` in runs of eight, at most kRuns a thread.
template <int kRuns>
__global__ void __launch_bounds__(kMaxThreads) RmsNormRunsKernel(RmsNormInput input) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * input.columns;
  const auto num_runs = static_cast<unsigned>(input.columns / kBf16Run);
  const auto* x = reinterpret_cast<const uint4*>(input.x + first);
  uint4 held[kRuns];
#pragma unroll
  for (int k = 0; k < kRuns; ++k) {
    const unsigned run = k * blockDim.x + threadIdx.x;
    held[k] = run < num_runs ? x[run] : make_uint4(0, 0, 0, 0);
  }
  float sum = 0;
#pragma unroll
  for (int k = 0; k < kRuns; ++k) {
    float values[kBf16Run];
    UnpackRun(held[k], values);
#pragma unroll
    for (int i = 0; i < kBf16Run; ++i) sum += values[i] * values[i];
  }
  const float inverse_rms = InverseRms(input, SumOverThreadBlock(sum));
#pragma unroll
  for (int k = 0; k < kRuns; ++k) {
    const unsigned run = k * blockDim.x + threadIdx.x;
    if (run >= num_runs) break;
    float values[kBf16Run];
    float weights[kBf16Run];
    UnpackRun(held[k], values);
    UnpackRun(__ldg(reinterpret_cast<const uint4*>(input.weight) + run), weights);
#pragma unroll
    for (int i = 0; i < kBf16Run; ++i) values[i] = NearestBf16(values[i] * inverse_rms) * weights[i];
    StoreBf16(values, input.out + first + run * kBf16Run);
  }
}

/// The same for rows of any length at any address. Up to kSharedColumns are kept in shared memory, each value by the
/// thread that reads it again.
__global__ void __launch_bounds__(kThreads) RmsNormKernel(RmsNormInput input) {
  extern __shared__ uint16_t kept[];
  const int64_t first = static_cast<int64_t>(blockIdx.x) * input.columns;
  const uint16_t* x = input.x + first;
  const bool is_kept = input.columns <= kSharedColumns;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < input.columns; i += kThreads) {
    float value[1];
    LoadBf16(x + i, value);
    if (is_kept) StoreBf16(value, kept + i);
    sum += value[0] * value[0];
  }
  const float inverse_rms = InverseRms(input, SumOverThreadBlock(sum));
  const uint16_t* again = is_kept ? kept : x;
  for (int64_t i = threadIdx.x; i < input.columns; i += kThreads) {
    float value[1];
    float weight[1];
    LoadBf16(again + i, value);
    LoadBf16(input.weight + i, weight);
    value[0] = NearestBf16(value[0] * inverse_rms) * weight[0];
    StoreBf16(value, input.out + first + i);
  }
}

void LaunchRuns(const RmsNormInput& input, cudaStream_t stream) {
  const auto rows = static_cast<unsigned>(input.rows);
  const auto num_runs = static_cast<int>(input.columns / kBf16Run);
  const int most = num_runs <= kThreads * kMaxRuns ? kThreads : kMaxThreads;
  const int threads = std::min(most, (num_runs + kLanes - 1) / kLanes * kLanes);
  const int share = (num_runs + threads - 1) / threads;
  if (share == 1) {
    RmsNormRunsKernel<1><<<rows, threads, 0, stream>>>(input);
  } else if (share == 2) {
    RmsNormRunsKernel<2><<<rows, threads, 0, stream>>>(input);
  } else if (share <= 4) {
    RmsNormRunsKernel<4><<<rows, threads, 0, stream>>>(input);
  } else {
    RmsNormRunsKernel<kMaxRuns><<<rows, threads, 0, stream>>>(input);
  }
}

}  // namespace

cudaError_t LaunchRmsNorm(const RmsNormInput& input, cudaStream_t stream) {
  if (input.rows == 0 || input.columns == 0) return cudaSuccess;
  const bool is_aligned = IsRunAligned(input.x) && IsRunAligned(input.weight) && IsRunAligned(input.out);
  if (is_aligned && input.columns % kBf16Run == 0 && input.columns <= kBf16Run * kMaxRuns * kMaxThreads) {
    LaunchRuns(input, stream);
  } else {
    const size_t kept_bytes = input.columns <= kSharedColumns ? input.columns * sizeof(uint16_t) : 0;
    RmsNormKernel<<<static_cast<unsigned>(input.rows), kThreads, kept_bytes, stream>>>(input);
  }
  return cudaGetLastError();
}

}  // namespace pivot
