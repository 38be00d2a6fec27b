// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>

#include "kernels/refine_panel.h"
#include "kernels/simd.h"

namespace pivot {
namespace {

// Added and subtracted, it rounds a float below 2^22 to a whole number, half to even.
constexpr float kRoundingMagic = 12582912.0F;

struct Row {
  const RefinePanel& panel;
  std::array<float, kMaxPanelColumns> code;
  float* gradient;
  float scale;
  float lowest;
  float highest;
};

/// What each code would become if it were the only one to move, from `begin` on.
PIVOT_SIMD void BestCodes(const Row& row, const float* curvature, float* best, int64_t begin) {
  for (int64_t j = begin; j < row.panel.columns; ++j) {
    const float wanted = row.code[static_cast<size_t>(j)] + row.gradient[j] / (curvature[j] * row.scale);
    const float clamped = std::min(std::max(wanted, row.lowest), row.highest);
    best[j] = (clamped + kRoundingMagic) - kRoundingMagic;
  }
}

PIVOT_SIMD void MoveGradient(float* gradient, const float* hessian, float change, int64_t columns) {
  for (int64_t j = 0; j < columns; ++j) gradient[j] -= change * hessian[j];
}

void SweepRow(Row& row, const float* curvature, float* change) {
  std::array<float, kMaxPanelColumns> best;
  BestCodes(row, curvature, best.data(), 0);
  for (int64_t j = 0; j < row.panel.columns; ++j) {
    const auto index = static_cast<size_t>(j);
    change[j] = 0;
    if (best[index] == row.code[index]) continue;
    change[j] = row.scale * (best[index] - row.code[index]);
    row.code[index] = best[index];
    MoveGradient(row.gradient, row.panel.hessian + j * row.panel.hessian_stride, change[j], row.panel.columns);
    BestCodes(row, curvature, best.data(), j + 1);
  }
}

}  // namespace

void RunRefinePanel(const RefinePanel& panel, int64_t first_row, int64_t last_row) {
  assert(panel.columns >= 1 && panel.columns <= kMaxPanelColumns && panel.bits >= 2 && panel.bits <= 8);
  std::array<float, kMaxPanelColumns> curvature;
  for (int64_t j = 0; j < panel.columns; ++j)
    curvature[static_cast<size_t>(j)] = panel.hessian[j * panel.hessian_stride + j];
  for (int64_t r = first_row; r < last_row; ++r) {
    Row row{.panel = panel,
            .code = {},
            .gradient = panel.gradient + r * panel.columns,
            .scale = panel.scale[r],
            .lowest = -static_cast<float>(1 << (panel.bits - 1)),
            .highest = static_cast<float>((1 << (panel.bits - 1)) - 1)};
    int8_t* code = panel.code + r * panel.columns;
    std::copy(code, code + panel.columns, row.code.begin());
    SweepRow(row, curvature.data(), panel.change + r * panel.columns);
    for (int64_t j = 0; j < panel.columns; ++j) code[j] = static_cast<int8_t>(row.code[static_cast<size_t>(j)]);
  }
}

}  // namespace pivot
