// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>

#include "kernels/lane_sums.h"
#include "kernels/refine_group.h"
#include "kernels/simd.h"
#include "kernels/storable_scale.h"

namespace pivot {
namespace {

// Added and subtracted, it rounds a float below 2^22 to a whole number, half to even.
constexpr float kRoundingMagic = 12582912.0F;
// A lane of the sums takes four neighbouring columns, as a thread of the GPU does.
constexpr size_t kRun = 4;
constexpr size_t kLanes = kMaxPanelColumns / kRun;
// What is summed up in registers at once.
constexpr size_t kRows = 4;
constexpr size_t kTileColumns = 32;

using Columns = std::array<float, kMaxPanelColumns>;  // 0 behind those of the group
using Block = std::array<Columns, kRows>;

struct Row {
  Columns code{};
  Columns gradient{};
  Columns change{};
  Columns inverse{};  // 1 / (H[j,j] s)
  float scale = 1;
  float lowest = 0;
  float highest = 0;
};

/// Columns [first, first + kTileColumns) of steps H. The sum goes from the first row of H to the last.
PIVOT_SIMD void MultiplyTile(const Block& steps, const RefineGroup& group, size_t first, Block& products) {
  float sum[kRows][kTileColumns] = {};
  for (int64_t i = 0; i < group.columns; ++i) {
    const float* hessian = group.hessian + i * group.hessian_stride + first;
    for (size_t r = 0; r < kRows; ++r) {
      const float step = steps[r][static_cast<size_t>(i)];
      for (size_t j = 0; j < kTileColumns; ++j) sum[r][j] += step * hessian[j];
    }
  }
  for (size_t r = 0; r < kRows; ++r) std::copy(sum[r], sum[r] + kTileColumns, products[r].begin() + first);
}

/// The same for the columns from `first` on.
void MultiplyRest(const Block& steps, const RefineGroup& group, size_t first, Block& products) {
  for (int64_t i = 0; i < group.columns; ++i) {
    const float* hessian = group.hessian + i * group.hessian_stride;
    for (size_t r = 0; r < kRows; ++r) {
      for (auto j = first; j < static_cast<size_t>(group.columns); ++j)
        products[r][j] += steps[r][static_cast<size_t>(i)] * hessian[j];
    }
  }
}

PIVOT_SIMD float SumOfProducts(const Columns& left, const Columns& right) {
  std::array<float, kLanes> lanes;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const float* a = left.data() + lane * kRun;
    const float* b = right.data() + lane * kRun;
    lanes[lane] = (a[0] * b[0] + a[1] * b[1]) + (a[2] * b[2] + a[3] * b[3]);
  }
  return SumLanes(lanes);
}

/// What each code would become if it were the only one to move, from `begin` on.
PIVOT_SIMD void BestCodes(const Row& row, size_t begin, size_t end, Columns& best) {
  for (size_t j = begin; j < end; ++j) {
    const float wanted = row.code[j] + row.gradient[j] * row.inverse[j];
    const float clamped = std::min(std::max(wanted, row.lowest), row.highest);
    best[j] = (clamped + kRoundingMagic) - kRoundingMagic;
  }
}

/// values -= factor * other
PIVOT_SIMD void Subtract(const float* other, float factor, size_t columns, Columns& values) {
  for (size_t j = 0; j < columns; ++j) values[j] -= factor * other[j];
}

/// One over the Hessian's diagonal times the scale.
PIVOT_SIMD void SetInverse(const Columns& diagonal, Row& row) {
  for (size_t j = 0; j < diagonal.size(); ++j) row.inverse[j] = 1 / (diagonal[j] * row.scale);
}

void MoveScales(const RefineGroup& group, int64_t first_row, std::array<Row, kRows>& rows, size_t num_rows) {
  Block steps{};
  Block curve{};
  const auto columns = static_cast<size_t>(group.columns);
  for (size_t r = 0; r < num_rows; ++r) {
    const int64_t index = (first_row + static_cast<int64_t>(r)) * group.zero_point_stride;
    const auto zero_point = group.zero_point != nullptr ? static_cast<float>(group.zero_point[index]) : 0.0F;
    for (size_t j = 0; j < columns; ++j) steps[r][j] = rows[r].code[j] - zero_point;
  }
  const size_t whole = columns / kTileColumns * kTileColumns;
  for (size_t first = 0; first < whole; first += kTileColumns) MultiplyTile(steps, group, first, curve);
  if (whole < columns) MultiplyRest(steps, group, whole, curve);
  for (size_t r = 0; r < num_rows; ++r) {
    Row& row = rows[r];
    const float wanted = BetterScale(row.scale, SumOfProducts(steps[r], row.gradient),
                                     SumOfProducts(steps[r], curve[r]), group.scale_digits);
    const float move = wanted - row.scale;
    row.scale = wanted;
    Subtract(curve[r].data(), move, columns, row.gradient);
    for (size_t j = 0; j < columns; ++j) row.change[j] = move * steps[r][j];
  }
}

void SweepCodes(const RefineGroup& group, Row& row) {
  const auto columns = static_cast<size_t>(group.columns);
  Columns best;
  BestCodes(row, 0, columns, best);
  for (size_t j = 0; j < columns; ++j) {
    if (best[j] == row.code[j]) continue;
    const float step = row.scale * (best[j] - row.code[j]);
    row.change[j] += step;
    row.code[j] = best[j];
    Subtract(group.hessian + static_cast<int64_t>(j) * group.hessian_stride, step, columns, row.gradient);
    BestCodes(row, j + 1, columns, best);
  }
}

Row LoadRow(const RefineGroup& group, int64_t index) {
  Row row{.scale = group.scale[index * group.scale_stride],
          .lowest = -static_cast<float>(1 << (group.bits - 1)),
          .highest = static_cast<float>((1 << (group.bits - 1)) - 1)};
  const int8_t* code = group.code + index * group.code_stride;
  const float* gradient = group.gradient + index * group.gradient_stride;
  std::copy(code, code + group.columns, row.code.begin());
  std::copy(gradient, gradient + group.columns, row.gradient.begin());
  return row;
}

void StoreRow(const Row& row, const RefineGroup& group, int64_t index) {
  int8_t* code = group.code + index * group.code_stride;
  for (int64_t j = 0; j < group.columns; ++j) code[j] = static_cast<int8_t>(row.code[static_cast<size_t>(j)]);
  std::copy(row.change.begin(), row.change.begin() + group.columns, group.change + index * group.change_stride);
  if (group.scale_digits > 0) group.scale[index * group.scale_stride] = row.scale;
}

}  // namespace

void RunRefineGroup(const RefineGroup& group, int64_t first_row, int64_t last_row) {
  assert(group.columns >= 1 && group.columns <= kMaxPanelColumns && group.bits >= 2 && group.bits <= 8);
  assert(group.scale_digits >= 0 && group.scale_digits <= 8);
  Columns diagonal;
  diagonal.fill(1);
  for (int64_t j = 0; j < group.columns; ++j)
    diagonal[static_cast<size_t>(j)] = group.hessian[j * group.hessian_stride + j];
  std::array<Row, kRows> rows;
  for (int64_t first = first_row; first < last_row; first += kRows) {
    const auto num_rows = std::min(kRows, static_cast<size_t>(last_row - first));
    for (size_t r = 0; r < num_rows; ++r) rows[r] = LoadRow(group, first + static_cast<int64_t>(r));
    if (group.scale_digits > 0) MoveScales(group, first, rows, num_rows);
    for (size_t r = 0; r < num_rows; ++r) {
      SetInverse(diagonal, rows[r]);
      SweepCodes(group, rows[r]);
      StoreRow(rows[r], group, first + static_cast<int64_t>(r));
    }
  }
}

}  // namespace pivot
