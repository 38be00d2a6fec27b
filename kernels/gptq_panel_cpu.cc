// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/gptq_panel.h"
#include "kernels/simd.h"

namespace pivot {
namespace {

/// w[begin..end) -= e * u[begin..end)
PIVOT_SIMD void SubtractScaled(float* weight, const float* factor, float error, int64_t begin, int64_t end) {
  for (int64_t column = begin; column < end; ++column) weight[column] -= error * factor[column];
}

}  // namespace

void RunGptqPanel(const GptqPanel& panel, int64_t first_row, int64_t last_row) {
  assert(panel.columns >= 1 && panel.columns <= kMaxPanelColumns && panel.bits >= 2 && panel.bits <= 8);
  const auto lowest = -static_cast<float>(1 << (panel.bits - 1));
  const auto highest = static_cast<float>((1 << (panel.bits - 1)) - 1);
  for (int64_t row = first_row; row < last_row; ++row) {
    float* weight = panel.weight + row * panel.weight_stride;
    const float* scale = panel.scale + row * panel.columns;
    for (int64_t column = 0; column < panel.columns; ++column) {
      const float* factor = panel.factor + column * panel.factor_stride;
      const float code = std::clamp(std::nearbyint(weight[column] / scale[column]), lowest, highest);
      const float error = (weight[column] - code * scale[column]) / factor[column];
      panel.code[row * panel.columns + column] = static_cast<int8_t>(code);
      panel.error[row * panel.columns + column] = error;
      SubtractScaled(weight, factor, error, column + 1, panel.columns);
    }
  }
}

}  // namespace pivot
