// SPDX-License-Identifier: Apache-2.0
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 8;
constexpr int kRows = 2;  // of a warp: they share what is read of the factor
constexpr int kColumnsPerLane = static_cast<int>(kMaxPanelColumns) / kLanes;
constexpr unsigned kWholeWarp = 0xFFFFFFFFU;

struct IntegerGrid {
  float lowest;
  float highest;
  __device__ float Round(float value) const { return fminf(fmaxf(rintf(value), lowest), highest); }
  __device__ int8_t Encode(float value) const { return static_cast<int8_t>(value); }
};

/// Lane l holds columns l, l + 32, l + 64 and l + 96 of a row.
struct RowState {
  float weight[kColumnsPerLane];
  float scale[kColumnsPerLane];
  float inverse[kColumnsPerLane];  // of the scale
  float number[kColumnsPerLane];
  float error[kColumnsPerLane];
};

__device__ void LoadRow(const GptqPanel& panel, int64_t row, int lane, RowState& state) {
#pragma unroll
  for (int k = 0; k < kColumnsPerLane; ++k) {
    const int column = k * kLanes + lane;
    const bool is_inside = column < panel.columns && row < panel.rows;
    state.weight[k] = is_inside ? panel.weight[row * panel.weight_stride + column] : 0.0F;
    state.scale[k] = is_inside ? panel.scale[row * panel.scale_stride + panel.group[column]] : 1.0F;
    state.inverse[k] = 1.0F / state.scale[k];
  }
}

template <typename Grid>
__device__ void StoreRow(const GptqPanel& panel, const Grid& grid, int64_t row, int lane, const RowState& state) {
#pragma unroll
  for (int k = 0; k < kColumnsPerLane; ++k) {
    const int column = k * kLanes + lane;
    if (column >= panel.columns || row >= panel.rows) break;
    panel.code[row * panel.code_stride + column] = static_cast<int8_t>(grid.Encode(state.number[k]));
    panel.error[row * panel.error_stride + column] = state.error[k];
  }
}

/// Rounds column k * 32 + owner of a row and takes its error over into the columns behind it.
template <typename Grid>
__device__ void RoundColumn(const Grid& grid, int k, int owner, int lane, float inverse_diagonal,
                            const float (&share)[kColumnsPerLane], RowState& state) {
  const float weight = __shfl_sync(kWholeWarp, state.weight[k], owner);
  const float scale = __shfl_sync(kWholeWarp, state.scale[k], owner);
  const float number = grid.Round(weight * __shfl_sync(kWholeWarp, state.inverse[k], owner));
  const float error = (weight - number * scale) * inverse_diagonal;
  if (lane == owner) {
    state.number[k] = number;
    state.error[k] = error;
  }
#pragma unroll
  for (int later = 0; later < kColumnsPerLane; ++later) {
    if (later > k || (later == k && lane > owner)) state.weight[later] -= error * share[later];
  }
}

template <typename Grid>
__global__ void __launch_bounds__(kLanes* kWarps) GptqPanelKernel(GptqPanel panel, Grid grid) {
  const int64_t first_row = (static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kLanes) * kRows;
  if (first_row >= panel.rows) return;  // whole warps leave
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  RowState rows[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) LoadRow(panel, first_row + r, lane, rows[r]);
#pragma unroll
  for (int k = 0; k < kColumnsPerLane; ++k) {
    for (int owner = 0; owner < kLanes; ++owner) {
      const int current = k * kLanes + owner;
      if (current >= panel.columns) break;
      const float* factor = panel.factor + current * panel.factor_stride;
      const float inverse_diagonal = 1.0F / factor[current];
      float share[kColumnsPerLane];
#pragma unroll
      for (int later = 0; later < kColumnsPerLane; ++later) {
        const int column = later * kLanes + lane;
        share[later] = later >= k && column < panel.columns ? factor[column] : 0.0F;
      }
#pragma unroll
      for (int r = 0; r < kRows; ++r) RoundColumn(grid, k, owner, lane, inverse_diagonal, share, rows[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) StoreRow(panel, grid, first_row + r, lane, rows[r]);
}

template <typename Grid>
cudaError_t Launch(const GptqPanel& panel, const Grid& grid, cudaStream_t stream) {
  constexpr int kBlockRows = kWarps * kRows;
  const auto blocks = static_cast<unsigned>((panel.rows + kBlockRows - 1) / kBlockRows);
  GptqPanelKernel<<<blocks, kLanes * kWarps, 0, stream>>>(panel, grid);
  return cudaGetLastError();
}

}  // namespace

cudaError_t LaunchGptqPanel(const GptqPanel& panel, cudaStream_t stream) {
  if (panel.rows == 0) return cudaSuccess;
  const auto highest = static_cast<float>((1 << (panel.bits - 1)) - 1);
  switch (panel.grid) {
    case CodeGrid::kInteger:
      return Launch(panel, IntegerGrid{-highest - 1, highest}, stream);
    case CodeGrid::kFloat8:
      return Launch(panel, Float8Grid(), stream);
    case CodeGrid::kFloat4:
      return Launch(panel, Float4Grid(), stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace pivot
