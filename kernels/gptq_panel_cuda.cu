// SPDX-License-Identifier: Apache-2.0
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

// Rows that one thread block takes at once: enough to share each row of the factor, few enough to fill the device.
constexpr int kRows = 8;

struct IntegerGrid {
  float lowest;
  float highest;
  __device__ float Round(float value) const { return fminf(fmaxf(rintf(value), lowest), highest); }
  __device__ int8_t Encode(float value) const { return static_cast<int8_t>(value); }
};

/// Thread j holds column j of kRows rows in registers. Column by column its owner rounds, and all threads to its right
/// take over the error. Two buffers for the errors, so that one barrier a column is enough.
template <typename Grid>
__global__ void __launch_bounds__(kMaxPanelColumns) GptqPanelKernel(GptqPanel panel, Grid grid) {
  __shared__ float errors[2][kRows];
  const int column = static_cast<int>(threadIdx.x);
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kRows;
  const bool has_column = column < panel.columns;
  float weight[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const bool is_inside = has_column && first_row + r < panel.rows;
    weight[r] = is_inside ? panel.weight[(first_row + r) * panel.weight_stride + column] : 0.0F;
  }
  for (int current = 0; current < panel.columns; ++current) {
    const float* factor = panel.factor + current * panel.factor_stride;
    if (column == current) {
      const float diagonal = factor[current];
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if (first_row + r >= panel.rows) break;
        const int64_t index = (first_row + r) * panel.columns + column;
        const float scale = panel.scale[index];
        const float number = grid.Round(weight[r] / scale);
        const float error = (weight[r] - number * scale) / diagonal;
        panel.code[index] = static_cast<int8_t>(grid.Encode(number));
        panel.error[index] = error;
        errors[current & 1][r] = error;
      }
    }
    __syncthreads();
    if (has_column && column > current) {
      const float share = factor[column];
#pragma unroll
      for (int r = 0; r < kRows; ++r) weight[r] -= errors[current & 1][r] * share;
    }
  }
}

}  // namespace

cudaError_t LaunchGptqPanel(const GptqPanel& panel, cudaStream_t stream) {
  if (panel.rows == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((panel.rows + kRows - 1) / kRows);
  switch (panel.grid) {
    case CodeGrid::kInteger: {
      const auto highest = static_cast<float>((1 << (panel.bits - 1)) - 1);
      GptqPanelKernel<<<blocks, kMaxPanelColumns, 0, stream>>>(panel, IntegerGrid{-highest - 1, highest});
      break;
    }
    case CodeGrid::kFloat8:
      GptqPanelKernel<<<blocks, kMaxPanelColumns, 0, stream>>>(panel, Float8Grid());
      break;
    case CodeGrid::kFloat4:
      GptqPanelKernel<<<blocks, kMaxPanelColumns, 0, stream>>>(panel, Float4Grid());
      break;
  }
  return cudaGetLastError();
}

}  // namespace pivot
