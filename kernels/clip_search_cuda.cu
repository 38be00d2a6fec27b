// SPDX-License-Identifier: Apache-2.0
#include <cfloat>

#include "kernels/group_lanes.cuh"
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

template <ClipError kError>
__device__ float ErrorOf(float weight, float importance, float scale, float lowest, float highest) {
  const float code = rintf(fminf(fmaxf(weight / scale, lowest), highest));
  const float error = weight - code * scale;
  return importance * (kError == ClipError::kPower24 ? powf(fabsf(error), 2.4F) : error * error);
}

template <ClipError kError>
__global__ void __launch_bounds__(kGroupThreads) ClipSearchKernel(ClipSearchInput input, int64_t num_groups) {
  const int64_t group = (static_cast<int64_t>(blockIdx.x) * kGroupThreads + threadIdx.x) / kLanes;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  // Threads behind the last group go along with it: the shuffles need whole warps.
  const int64_t safe_group = group < num_groups ? group : num_groups - 1;
  const float* weight = input.weight + safe_group * input.group_size;
  const float* importance = input.importance + safe_group * input.group_size % input.columns;
  float largest = 0;
  for (int64_t i = lane; i < input.group_size; i += kLanes) largest = fmaxf(largest, fabsf(weight[i]));
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFU, largest, offset, kLanes));
  }
  const auto lowest = -static_cast<float>(1 << (input.bits - 1));
  const auto highest = static_cast<float>((1 << (input.bits - 1)) - 1);
  const float base = largest * 2.0F / static_cast<float>((1 << input.bits) - 1);
  const bool is_zero = base < FLT_MIN * 256.0F;
  float best_scale = is_zero ? 1.0F : RoundToBf16OnDevice(base);
  float best_error = INFINITY;
  const int num_signs = input.num_steps == 1 ? 0 : input.signs == ScaleSigns::kEither ? 2 : 1;
  const int first_step = input.signs == ScaleSigns::kEither ? kFirstSignedStep : 0;
  for (int sign = 0; sign < num_signs; ++sign) {
    const float signed_base = sign == 0 ? base : -base;
    for (int step = first_step; step < input.num_steps; ++step) {
      const float scale = RoundToBf16OnDevice(signed_base * (1.0F - static_cast<float>(step) / 100.0F));
      float partial = 0;
      for (int64_t i = lane; i < input.group_size; i += kLanes) {
        partial += ErrorOf<kError>(weight[i], importance[i], scale, lowest, highest);
      }
      const float error = SumInOrder(partial);
      if (!is_zero && error < best_error) {
        best_error = error;
        best_scale = scale;
      }
    }
  }
  if (lane == 0 && group < num_groups) input.scale[group] = best_scale;
}

}  // namespace

cudaError_t LaunchClipSearch(const ClipSearchInput& input, cudaStream_t stream) {
  const int64_t num_groups = input.rows * (input.columns / input.group_size);
  if (num_groups == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((num_groups * kLanes + kGroupThreads - 1) / kGroupThreads);
  if (input.error == ClipError::kPower24) {
    ClipSearchKernel<ClipError::kPower24><<<blocks, kGroupThreads, 0, stream>>>(input, num_groups);
  } else {
    ClipSearchKernel<ClipError::kWeightedSquare><<<blocks, kGroupThreads, 0, stream>>>(input, num_groups);
  }
  return cudaGetLastError();
}

}  // namespace pivot
