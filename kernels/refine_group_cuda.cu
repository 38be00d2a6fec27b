// SPDX-License-Identifier: Apache-2.0
#include "kernels/launchers.cuh"
#include "kernels/storable_scale.h"

namespace pivot {
namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 8;
constexpr int kRows = 2;  // of a warp: they share the reads of the Hessian in the scales' step
constexpr int kRun = static_cast<int>(kMaxPanelColumns) / kLanes;  // neighbouring columns of a lane
static_assert(kLanes * kWarps >= kMaxPanelColumns);
constexpr unsigned kWholeWarp = 0xFFFFFFFFU;
// Added and subtracted, it rounds a float below 2^22 to a whole number, half to even.
constexpr float kRoundingMagic = 12582912.0F;

using Run = float[kRun];

/// A lane's part of a row. What lies behind the group's columns is 0 everywhere and stays so.
struct RowRun {
  Run code;
  Run gradient;
  Run change;
  float scale;
};

/// A lane's columns of a row with `columns`. Aligned: columns is a multiple of kRun, and a run of 16 bytes.
template <bool kIsAligned>
__device__ void LoadRun(const float* row, int column, int columns, Run& values) {
  if constexpr (kIsAligned) {
    const bool is_inside = column < columns;
    const float4 loaded = is_inside ? *reinterpret_cast<const float4*>(row + column) : make_float4(0, 0, 0, 0);
    values[0] = loaded.x;
    values[1] = loaded.y;
    values[2] = loaded.z;
    values[3] = loaded.w;
  } else {
#pragma unroll
    for (int k = 0; k < kRun; ++k) values[k] = column + k < columns ? row[column + k] : 0.0F;
  }
}

template <bool kIsAligned>
__device__ void LoadCodes(const int8_t* row, int column, int columns, Run& values) {
  if constexpr (kIsAligned) {
    const char4 loaded = column < columns ? *reinterpret_cast<const char4*>(row + column) : make_char4(0, 0, 0, 0);
    values[0] = static_cast<float>(loaded.x);
    values[1] = static_cast<float>(loaded.y);
    values[2] = static_cast<float>(loaded.z);
    values[3] = static_cast<float>(loaded.w);
  } else {
#pragma unroll
    for (int k = 0; k < kRun; ++k) values[k] = column + k < columns ? static_cast<float>(row[column + k]) : 0.0F;
  }
}

template <bool kIsAligned>
__device__ void Store(const RowRun& row, int column, int columns, int8_t* code, float* change) {
  if constexpr (kIsAligned) {
    if (column >= columns) return;
    *reinterpret_cast<char4*>(code + column) =
        make_char4(static_cast<signed char>(row.code[0]), static_cast<signed char>(row.code[1]),
                   static_cast<signed char>(row.code[2]), static_cast<signed char>(row.code[3]));
    *reinterpret_cast<float4*>(change + column) =
        make_float4(row.change[0], row.change[1], row.change[2], row.change[3]);
  } else {
#pragma unroll
    for (int k = 0; k < kRun; ++k) {
      if (column + k >= columns) return;
      code[column + k] = static_cast<int8_t>(row.code[k]);
      change[column + k] = row.change[k];
    }
  }
}

/// Of all lanes, in the order of SumLanes; every lane gets the total.
__device__ float SumOfProducts(const Run& left, const Run& right) {
  float sum = (left[0] * right[0] + left[1] * right[1]) + (left[2] * right[2] + left[3] * right[3]);
#pragma unroll
  for (int half = kLanes / 2; half > 0; half /= 2) sum += __shfl_xor_sync(kWholeWarp, sum, half);
  return sum;
}

/// The products of each row's steps with the group's block of the Hessian, summed from its first row to its last.
template <bool kIsAligned>
__device__ void Multiply(const RefineGroup& group, const float4 (&steps)[kRows][kLanes], int column,
                         Run (&curve)[kRows]) {
  const auto columns = static_cast<int>(group.columns);
  for (int first = 0; first < columns; first += kRun) {
    Run factor[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float4 loaded = steps[r][first / kRun];
      factor[r][0] = loaded.x;
      factor[r][1] = loaded.y;
      factor[r][2] = loaded.z;
      factor[r][3] = loaded.w;
    }
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      if (!kIsAligned && first + i >= columns) break;
      Run hessian;
      LoadRun<kIsAligned>(group.hessian + (first + i) * group.hessian_stride, column, columns, hessian);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int k = 0; k < kRun; ++k) curve[r][k] += factor[r][i] * hessian[k];
      }
    }
  }
}

template <bool kIsAligned>
__device__ void MoveScales(const RefineGroup& group, const float (&zero_point)[kRows], int lane,
                           RowRun (&rows)[kRows]) {
  __shared__ float4 all_steps[kWarps][kRows][kLanes];
  float4(&shared)[kRows][kLanes] = all_steps[threadIdx.x / kLanes];
  const int column = lane * kRun;
  Run steps[kRows];
  Run curve[kRows] = {};
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int k = 0; k < kRun; ++k) steps[r][k] = column + k < group.columns ? rows[r].code[k] - zero_point[r] : 0.0F;
    shared[r][lane] = make_float4(steps[r][0], steps[r][1], steps[r][2], steps[r][3]);
  }
  __syncwarp();
  Multiply<kIsAligned>(group, shared, column, curve);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const float wanted = BetterScale(rows[r].scale, SumOfProducts(steps[r], rows[r].gradient),
                                     SumOfProducts(steps[r], curve[r]), group.scale_digits);
    const float move = wanted - rows[r].scale;
    rows[r].scale = wanted;
#pragma unroll
    for (int k = 0; k < kRun; ++k) {
      rows[r].gradient[k] -= move * curve[r][k];
      rows[r].change[k] = move * steps[r][k];
    }
  }
}

/// Each round finds the first column behind the last move whose code would move, and moves it: as many rounds as moves,
/// and the order of the plain loop. diagonal: of the Hessian, in shared memory.
template <bool kIsAligned>
__device__ void SweepCodes(const RefineGroup& group, const float* diagonal, int lane, RowRun& row) {
  const auto lowest = -static_cast<float>(1 << (group.bits - 1));
  const auto highest = static_cast<float>((1 << (group.bits - 1)) - 1);
  const auto columns = static_cast<int>(group.columns);
  const int column = lane * kRun;
  Run inverse;
#pragma unroll
  for (int k = 0; k < kRun; ++k) inverse[k] = 1 / (diagonal[column + k] * row.scale);
  for (int next = 0; next < columns;) {
    int moved = kRun;
    float code = 0;
    float step = 0;
#pragma unroll
    for (int k = kRun - 1; k >= 0; --k) {
      const float wanted = row.code[k] + row.gradient[k] * inverse[k];
      const float best = (fminf(fmaxf(wanted, lowest), highest) + kRoundingMagic) - kRoundingMagic;
      if (column + k < next || column + k >= columns || best == row.code[k]) continue;
      moved = k;
      code = best;
      step = row.scale * (best - row.code[k]);
    }
    const unsigned movers = __ballot_sync(kWholeWarp, moved < kRun);
    if (movers == 0) break;
    const int owner = __ffs(static_cast<int>(movers)) - 1;
#pragma unroll
    for (int k = 0; k < kRun; ++k) {
      if (lane != owner || k != moved) continue;
      row.code[k] = code;
      row.change[k] += step;
    }
    moved = __shfl_sync(kWholeWarp, column + moved, owner);
    step = __shfl_sync(kWholeWarp, step, owner);
    Run hessian;
    LoadRun<kIsAligned>(group.hessian + moved * group.hessian_stride, column, columns, hessian);
#pragma unroll
    for (int k = 0; k < kRun; ++k) row.gradient[k] -= step * hessian[k];
    next = moved + 1;
  }
}

/// A warp takes kRows rows; lane l holds columns 4 l to 4 l + 3.
template <bool kIsAligned>
__global__ void __launch_bounds__(kLanes* kWarps) RefineGroupKernel(RefineGroup group) {
  __shared__ float diagonal[kMaxPanelColumns];
  const auto thread = static_cast<int>(threadIdx.x);
  if (thread < kMaxPanelColumns)
    diagonal[thread] = thread < group.columns ? group.hessian[thread * (group.hessian_stride + 1)] : 1.0F;
  __syncthreads();
  const int64_t first_row = (static_cast<int64_t>(blockIdx.x) * kWarps + thread / kLanes) * kRows;
  const int64_t num_rows = group.rows - first_row;
  if (num_rows <= 0) return;  // whole warps leave
  const int lane = thread % kLanes;
  const int column = lane * kRun;
  const auto columns = static_cast<int>(group.columns);
  RowRun rows[kRows] = {};
  float zero_point[kRows] = {};
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (r >= num_rows) break;
    const int64_t index = first_row + r;
    rows[r].scale = group.scale[index * group.scale_stride];
    if (group.zero_point != nullptr)
      zero_point[r] = static_cast<float>(group.zero_point[index * group.zero_point_stride]);
    LoadCodes<kIsAligned>(group.code + index * group.code_stride, column, columns, rows[r].code);
    LoadRun<kIsAligned>(group.gradient + index * group.gradient_stride, column, columns, rows[r].gradient);
  }
  if (group.scale_digits > 0) MoveScales<kIsAligned>(group, zero_point, lane, rows);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    if (r >= num_rows) break;
    const int64_t index = first_row + r;
    SweepCodes<kIsAligned>(group, diagonal, lane, rows[r]);
    Store<kIsAligned>(rows[r], column, columns, group.code + index * group.code_stride,
                      group.change + index * group.change_stride);
    if (lane == 0 && group.scale_digits > 0) group.scale[index * group.scale_stride] = rows[r].scale;
  }
}

/// Whether a matrix can be read and written in whole runs.
template <typename T>
bool HasRuns(const T* data, int64_t stride) {
  return reinterpret_cast<uintptr_t>(data) % (kRun * sizeof(T)) == 0 && stride % kRun == 0;
}

}  // namespace

cudaError_t LaunchRefineGroup(const RefineGroup& group, cudaStream_t stream) {
  if (group.rows == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((group.rows + kWarps * kRows - 1) / (kWarps * kRows));
  const bool is_aligned = group.columns % kRun == 0 && HasRuns(group.hessian, group.hessian_stride) &&
                          HasRuns(group.gradient, group.gradient_stride) && HasRuns(group.code, group.code_stride) &&
                          HasRuns(group.change, group.change_stride);
  if (is_aligned) {
    RefineGroupKernel<true><<<blocks, kLanes * kWarps, 0, stream>>>(group);
  } else {
    RefineGroupKernel<false><<<blocks, kLanes * kWarps, 0, stream>>>(group);
  }
  return cudaGetLastError();
}

}  // namespace pivot
