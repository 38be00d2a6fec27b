// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <climits>

#include "kernels/bf16.cuh"
#include "kernels/launchers.cuh"
#include "kernels/rotary.h"

namespace pivot {
namespace {

constexpr int kThreads = 256;

template <int kWidth>
struct Angles {
  __device__ Angles(const RotaryInput& input, int64_t first) {
    LoadBf16(input.cosine + first, cosine);
    LoadBf16(input.sine + first, sine);
  }
  /// x and what stands in its place after the turn.
  __device__ float Rotate(int i, float x, float turned) const {
    return NearestBf16(x * cosine[i]) + NearestBf16(turned * sine[i]);
  }
  float cosine[kWidth];
  float sine[kWidth];
};

/// A row of threads takes a token; a thread takes kWidth pairs of a head at a time.
template <int kWidth>
__global__ void __launch_bounds__(kThreads) RotaryKernel(RotaryInput input) {
  const unsigned token = blockIdx.x * blockDim.y + threadIdx.y;
  if (token >= input.tokens) return;
  const auto half = static_cast<unsigned>(input.head_dim / 2);
  const unsigned parts = half / kWidth;  // of a half head
  const int64_t position = token % static_cast<unsigned>(input.length);
  const uint16_t* x = input.x + token * input.token_stride;
  uint16_t* out = input.out + token * input.heads * input.head_dim;
  for (unsigned task = threadIdx.x; task < static_cast<unsigned>(input.heads) * parts; task += blockDim.x) {
    const unsigned column = task % parts * kWidth;
    const unsigned left = task / parts * 2 * half + column;
    float low[kWidth];
    float high[kWidth];
    LoadBf16(x + left, low);
    LoadBf16(x + left + half, high);
    const Angles<kWidth> low_angles(input, position * input.head_dim + column);
    const Angles<kWidth> high_angles(input, position * input.head_dim + half + column);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float rotated = low_angles.Rotate(i, low[i], -high[i]);
      high[i] = high_angles.Rotate(i, high[i], low[i]);
      low[i] = rotated;
    }
    StoreBf16(low, out + left);
    StoreBf16(high, out + left + half);
  }
}

bool TakesRuns(const RotaryInput& input) {
  return input.head_dim % (2 * kBf16Run) == 0 && input.token_stride % kBf16Run == 0 && IsRunAligned(input.x) &&
         IsRunAligned(input.cosine) && IsRunAligned(input.sine) && IsRunAligned(input.out);
}

template <int kWidth>
void Launch(const RotaryInput& input, cudaStream_t stream) {
  const int64_t tasks = input.heads * (input.head_dim / 2 / kWidth);
  const auto columns = static_cast<unsigned>(std::min<int64_t>(kThreads, tasks));
  const unsigned rows = kThreads / columns;
  const auto blocks = static_cast<unsigned>((input.tokens + rows - 1) / rows);
  RotaryKernel<kWidth><<<blocks, dim3(columns, rows), 0, stream>>>(input);
}

}  // namespace

cudaError_t LaunchRotary(const RotaryInput& input, cudaStream_t stream) {
  if (input.tokens == 0 || input.heads == 0 || input.head_dim == 0) return cudaSuccess;
  if (input.tokens > INT_MAX || input.length > INT_MAX || input.heads * input.head_dim > INT_MAX)
    return cudaErrorInvalidValue;
  if (TakesRuns(input)) {
    Launch<kBf16Run>(input, stream);
  } else {
    Launch<1>(input, stream);
  }
  return cudaGetLastError();
}

}  // namespace pivot
