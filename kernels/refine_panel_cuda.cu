// SPDX-License-Identifier: Apache-2.0
#include "kernels/launchers.cuh"

namespace pivot {
namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 8;
constexpr int kColumnsPerLane = static_cast<int>(kMaxPanelColumns) / kLanes;
constexpr unsigned kWholeWarp = 0xFFFFFFFFU;

/// A warp takes a row; lane l holds columns l, l + 32, l + 64 and l + 96. Each round finds the first column behind the
/// last move whose code would move, and moves it: as many rounds as moves, and the order of the plain loop.
__global__ void __launch_bounds__(kLanes* kWarps) RefinePanelKernel(RefinePanel panel) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kLanes;
  if (row >= panel.rows) return;  // whole warps leave
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const auto lowest = -static_cast<float>(1 << (panel.bits - 1));
  const auto highest = static_cast<float>((1 << (panel.bits - 1)) - 1);
  const float scale = panel.scale[row];
  const int64_t first = row * panel.columns;
  float code[kColumnsPerLane];
  float gradient[kColumnsPerLane];
  float curvature[kColumnsPerLane];
  float change[kColumnsPerLane];
#pragma unroll
  for (int k = 0; k < kColumnsPerLane; ++k) {
    const int column = k * kLanes + lane;
    const bool is_inside = column < panel.columns;
    code[k] = is_inside ? static_cast<float>(panel.code[first + column]) : 0.0F;
    gradient[k] = is_inside ? panel.gradient[first + column] : 0.0F;
    curvature[k] = is_inside ? panel.hessian[column * panel.hessian_stride + column] : 1.0F;
    change[k] = 0.0F;
  }
  for (int next = 0; next < panel.columns;) {
    int moved = static_cast<int>(panel.columns);
    float step = 0.0F;
#pragma unroll
    for (int k = 0; k < kColumnsPerLane; ++k) {
      if ((k + 1) * kLanes <= next || moved < panel.columns) continue;  // the same for the whole warp
      const int column = k * kLanes + lane;
      const float wanted = code[k] + gradient[k] / (curvature[k] * scale);
      const float best = rintf(fminf(fmaxf(wanted, lowest), highest));
      const bool moves = column >= next && column < panel.columns && best != code[k];
      const unsigned movers = __ballot_sync(kWholeWarp, moves);
      if (movers == 0) continue;
      const int owner = __ffs(static_cast<int>(movers)) - 1;
      moved = k * kLanes + owner;
      const float own_step = scale * (best - code[k]);
      step = __shfl_sync(kWholeWarp, own_step, owner);
      if (lane == owner) {
        code[k] = best;
        change[k] = step;
      }
    }
    if (moved == panel.columns) break;
    const float* hessian = panel.hessian + moved * panel.hessian_stride;
#pragma unroll
    for (int k = 0; k < kColumnsPerLane; ++k) {
      const int column = k * kLanes + lane;
      if (column < panel.columns) gradient[k] -= step * hessian[column];
    }
    next = moved + 1;
  }
#pragma unroll
  for (int k = 0; k < kColumnsPerLane; ++k) {
    const int column = k * kLanes + lane;
    if (column >= panel.columns) break;
    panel.code[first + column] = static_cast<int8_t>(code[k]);
    panel.gradient[first + column] = gradient[k];
    panel.change[first + column] = change[k];
  }
}

}  // namespace

cudaError_t LaunchRefinePanel(const RefinePanel& panel, cudaStream_t stream) {
  if (panel.rows == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((panel.rows + kWarps - 1) / kWarps);
  RefinePanelKernel<<<blocks, kLanes * kWarps, 0, stream>>>(panel);
  return cudaGetLastError();
}

}  // namespace pivot
