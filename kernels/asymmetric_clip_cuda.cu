// SPDX-License-Identifier: Apache-2.0
#include <cfloat>

#include "kernels/bf16.cuh"
#include "kernels/group_lanes.cuh"
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

struct Grid {
  float scale;
  float zero_point;
};

__device__ Grid GridOf(float low, float range, float shrink, float lowest, float highest) {
  Grid grid{RoundToBf16OnDevice(range * shrink), 0.0F};
  grid.zero_point = fminf(fmaxf(lowest - rintf(low * shrink / grid.scale), lowest), highest);
  return grid;
}

__device__ float SquareOf(float weight, float importance, const Grid& grid, float lowest, float highest) {
  const float clamped = fminf(fmaxf(weight / grid.scale + grid.zero_point, lowest), highest);
  const float error = weight - (rintf(clamped) - grid.zero_point) * grid.scale;
  return importance * (error * error);
}

__global__ void __launch_bounds__(kGroupThreads) AsymmetricClipKernel(AsymmetricClipInput input, int64_t num_groups) {
  const int64_t group = (static_cast<int64_t>(blockIdx.x) * kGroupThreads + threadIdx.x) / kGroupLanes;
  const int lane = static_cast<int>(threadIdx.x) % kGroupLanes;
  // Threads behind the last group go along with it: the shuffles need whole warps.
  const int64_t safe_group = group < num_groups ? group : num_groups - 1;
  const float* weight = input.weight + safe_group * input.group_size;
  const float* importance = input.importance + safe_group * input.group_size % input.columns;
  float low = 0;
  float high = 0;
  for (int64_t i = lane; i < input.group_size; i += kGroupLanes) {
    low = fminf(low, weight[i]);
    high = fmaxf(high, weight[i]);
  }
  for (int offset = kGroupLanes / 2; offset > 0; offset /= 2) {
    low = fminf(low, __shfl_xor_sync(0xFFFFFFFFU, low, offset, kGroupLanes));
    high = fmaxf(high, __shfl_xor_sync(0xFFFFFFFFU, high, offset, kGroupLanes));
  }
  const auto lowest = -static_cast<float>(1 << (input.bits - 1));
  const auto highest = static_cast<float>((1 << (input.bits - 1)) - 1);
  const float base = (high - low) / static_cast<float>((1 << input.bits) - 1);
  const bool is_zero = base < FLT_MIN * 256.0F;
  Grid best = is_zero ? Grid{1.0F, 0.0F} : GridOf(low, base, 1.0F, lowest, highest);
  float best_error = INFINITY;
  const int num_steps = input.num_steps == 1 ? 0 : input.num_steps;
  for (int step = 0; step < num_steps; ++step) {
    const Grid grid = GridOf(low, base, 1.0F - static_cast<float>(step) / 100.0F, lowest, highest);
    float partial = 0;
    for (int64_t i = lane; i < input.group_size; i += kGroupLanes) {
      partial += SquareOf(weight[i], importance[i], grid, lowest, highest);
    }
    const float error = SumOverLanes(partial);
    if (!is_zero && error < best_error) {
      best_error = error;
      best = grid;
    }
  }
  if (lane == 0 && group < num_groups) {
    input.scale[group] = best.scale;
    input.zero_point[group] = static_cast<int8_t>(best.zero_point);
  }
}

}  // namespace

cudaError_t LaunchAsymmetricClip(const AsymmetricClipInput& input, cudaStream_t stream) {
  const int64_t num_groups = input.rows * (input.columns / input.group_size);
  if (num_groups == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((num_groups * kGroupLanes + kGroupThreads - 1) / kGroupThreads);
  AsymmetricClipKernel<<<blocks, kGroupThreads, 0, stream>>>(input, num_groups);
  return cudaGetLastError();
}

}  // namespace pivot
