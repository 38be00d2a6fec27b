// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
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

class IntegerGrid {
 public:
  explicit IntegerGrid(int bits)
      : lowest_(-static_cast<float>(1 << (bits - 1))), highest_(static_cast<float>((1 << (bits - 1)) - 1)) {}
  float Round(float value) const { return std::clamp(std::nearbyint(value), lowest_, highest_); }
  int8_t Encode(float value) const { return static_cast<int8_t>(value); }

 private:
  float lowest_;
  float highest_;
};

template <typename Grid>
void RunRows(const GptqPanel& panel, const Grid& grid, int64_t first_row, int64_t last_row) {
  for (int64_t row = first_row; row < last_row; ++row) {
    std::array<float, kMaxPanelColumns> weight;
    std::copy_n(panel.weight + row * panel.weight_stride, panel.columns, weight.begin());
    const float* scales = panel.scale + row * panel.scale_stride;
    for (int64_t column = 0; column < panel.columns; ++column) {
      const float* factor = panel.factor + column * panel.factor_stride;
      const float scale = scales[panel.group[column]];
      const float value = weight[static_cast<size_t>(column)];
      const float number = grid.Round(value * (1.0F / scale));
      const float error = (value - number * scale) * (1.0F / factor[column]);
      panel.code[row * panel.code_stride + column] = static_cast<int8_t>(grid.Encode(number));
      panel.error[row * panel.error_stride + column] = error;
      SubtractScaled(weight.data(), factor, error, column + 1, panel.columns);
    }
  }
}

}  // namespace

void RunGptqPanel(const GptqPanel& panel, int64_t first_row, int64_t last_row) {
  assert(panel.columns >= 1 && panel.columns <= kMaxPanelColumns);
  switch (panel.grid) {
    case CodeGrid::kInteger:
      assert(panel.bits >= 2 && panel.bits <= 8);
      return RunRows(panel, IntegerGrid(panel.bits), first_row, last_row);
    case CodeGrid::kFloat8:
      return RunRows(panel, Float8Grid(), first_row, last_row);
    case CodeGrid::kFloat4:
      return RunRows(panel, Float4Grid(), first_row, last_row);
  }
}

}  // namespace pivot
