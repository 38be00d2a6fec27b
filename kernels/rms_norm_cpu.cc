// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/bf16.h"
#include "kernels/lane_sums.h"
#include "kernels/rms_norm.h"

namespace pivot {
namespace {

float SumOfSquares(const uint16_t* row, int64_t columns) {
  std::array<float, kGroupLanes> sums{};
  for (int64_t first = 0; first < columns; first += kGroupLanes) {
    const int64_t lanes = std::min<int64_t>(kGroupLanes, columns - first);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float value = Bf16ToFloat(row[first + lane]);
      sums[static_cast<size_t>(lane)] += value * value;
    }
  }
  return SumLanes(sums);
}

}  // namespace

void RunRmsNorm(const RmsNormInput& input, int64_t first_row, int64_t last_row) {
  for (int64_t row = first_row; row < last_row; ++row) {
    const uint16_t* x = input.x + row * input.columns;
    uint16_t* out = input.out + row * input.columns;
    const float mean = SumOfSquares(x, input.columns) / static_cast<float>(input.columns);
    const float inverse_rms = 1.0F / std::sqrt(mean + input.epsilon);
    for (int64_t i = 0; i < input.columns; ++i) {
      const float normalized = Bf16ToFloat(FloatToBf16(Bf16ToFloat(x[i]) * inverse_rms));
      out[i] = FloatToBf16(normalized * Bf16ToFloat(input.weight[i]));
    }
  }
}

}  // namespace pivot
