// SPDX-License-Identifier: Apache-2.0
#include <cfloat>

#include "kernels/bf16.cuh"
#include "kernels/group_lanes.cuh"
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

/// The elements of a group that belong to one lane. kPerLane above 0: in registers, the group having 16 * kPerLane;
/// 0: of any number, read again each time.
template <int kPerLane>
struct LaneValues {
  __device__ LaneValues(const float* first, int64_t, int lane) {
#pragma unroll
    for (int k = 0; k < kPerLane; ++k) value[k] = first[k * kGroupLanes + lane];
  }
  template <typename Body>
  __device__ void ForEach(const LaneValues& other, Body body) const {
#pragma unroll
    for (int k = 0; k < kPerLane; ++k) body(value[k], other.value[k]);
  }
  float value[kPerLane];
};

template <>
struct LaneValues<0> {
  __device__ LaneValues(const float* first, int64_t size, int lane) : first(first), size(size), lane(lane) {}
  template <typename Body>
  __device__ void ForEach(const LaneValues& other, Body body) const {
    for (int64_t i = lane; i < size; i += kGroupLanes) body(first[i], other.first[i]);
  }
  const float* first;
  int64_t size;
  int lane;
};

template <int kPerLane>
__global__ void __launch_bounds__(kGroupThreads) ClipSearchKernel(ClipSearchInput input, int64_t num_groups) {
  const int64_t group = (static_cast<int64_t>(blockIdx.x) * kGroupThreads + threadIdx.x) / kGroupLanes;
  const int lane = static_cast<int>(threadIdx.x) % kGroupLanes;
  // Threads behind the last group go along with it: the shuffles need whole warps.
  const int64_t safe_group = group < num_groups ? group : num_groups - 1;
  const LaneValues<kPerLane> weights(input.weight + safe_group * input.group_size, input.group_size, lane);
  const LaneValues<kPerLane> importances(input.importance + safe_group * input.group_size % input.columns,
                                         input.group_size, lane);
  float largest = 0;
  weights.ForEach(importances, [&](float weight, float) { largest = fmaxf(largest, fabsf(weight)); });
  for (int offset = kGroupLanes / 2; offset > 0; offset /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFU, largest, offset, kGroupLanes));
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
      const float inverse = 1.0F / scale;
      float partial = 0;
      weights.ForEach(importances, [&](float weight, float importance) {
        const float code = rintf(fminf(fmaxf(weight * inverse, lowest), highest));
        const float error = weight - code * scale;
        partial += importance * (error * error);
      });
      const float error = SumOverLanes(partial);
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
  const auto blocks = static_cast<unsigned>((num_groups * kGroupLanes + kGroupThreads - 1) / kGroupThreads);
  switch (input.group_size) {
    case 32:
      ClipSearchKernel<2><<<blocks, kGroupThreads, 0, stream>>>(input, num_groups);
      break;
    case 64:
      ClipSearchKernel<4><<<blocks, kGroupThreads, 0, stream>>>(input, num_groups);
      break;
    case 128:
      ClipSearchKernel<8><<<blocks, kGroupThreads, 0, stream>>>(input, num_groups);
      break;
    default:
      ClipSearchKernel<0><<<blocks, kGroupThreads, 0, stream>>>(input, num_groups);
  }
  return cudaGetLastError();
}

}  // namespace pivot
