// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>

#include "kernels/bf16.h"
#include "kernels/clip_search.h"
#include "kernels/lane_sums.h"
#include "kernels/simd.h"

namespace pivot {
namespace {

// Added and subtracted, it rounds a float below 2^22 to a whole number, half to even; unlike nearbyint it needs no
// SSE4.1.
constexpr float kRoundingMagic = 12582912.0F;

struct Group {
  const float* weight;
  const float* importance;
  int64_t size;
  float lowest;
  float highest;
};

float SquareOf(const Group& group, float scale, float inverse, int64_t i) {
  const float clamped = std::min(std::max(group.weight[i] * inverse, group.lowest), group.highest);
  const float error = group.weight[i] - ((clamped + kRoundingMagic) - kRoundingMagic) * scale;
  return group.importance[i] * (error * error);
}

PIVOT_SIMD float ErrorOf(const Group& group, float scale) {
  const float inverse = 1.0F / scale;
  std::array<float, kGroupLanes> sums{};
  const int64_t whole = group.size / kGroupLanes * kGroupLanes;
  for (int64_t i = 0; i < whole; i += kGroupLanes) {
    for (int64_t lane = 0; lane < kGroupLanes; ++lane)
      sums[static_cast<size_t>(lane)] += SquareOf(group, scale, inverse, i + lane);
  }
  for (int64_t i = whole; i < group.size; ++i)
    sums[static_cast<size_t>(i - whole)] += SquareOf(group, scale, inverse, i);
  return SumLanes(sums);
}

float BestScale(const Group& group, const ClipSearchInput& input) {
  float largest = 0;
  for (int64_t i = 0; i < group.size; ++i) largest = std::max(largest, std::abs(group.weight[i]));
  const float base = largest * 2.0F / static_cast<float>((1 << input.bits) - 1);
  // Too small to divide by, or for bf16 to hold: such a group is zero for all purposes.
  if (base < std::numeric_limits<float>::min() * 256.0F) return 1.0F;
  float best_scale = RoundToBf16(base);
  float best_error = std::numeric_limits<float>::infinity();
  if (input.num_steps == 1) return best_scale;
  const int num_signs = input.signs == ScaleSigns::kEither ? 2 : 1;
  const int first_step = input.signs == ScaleSigns::kEither ? kFirstSignedStep : 0;
  for (int sign = 0; sign < num_signs; ++sign) {
    const float signed_base = sign == 0 ? base : -base;
    for (int step = first_step; step < input.num_steps; ++step) {
      const float scale = RoundToBf16(signed_base * (1.0F - static_cast<float>(step) / 100.0F));
      const float error = ErrorOf(group, scale);
      if (error < best_error) {
        best_error = error;
        best_scale = scale;
      }
    }
  }
  return best_scale;
}

}  // namespace

void RunClipSearch(const ClipSearchInput& input, int64_t first_row, int64_t last_row) {
  assert(input.group_size > 0 && input.columns % input.group_size == 0 && input.num_steps >= 1 &&
         input.num_steps <= 100);
  const int64_t num_groups = input.columns / input.group_size;
  for (int64_t row = first_row; row < last_row; ++row) {
    for (int64_t group_index = 0; group_index < num_groups; ++group_index) {
      const int64_t first = group_index * input.group_size;
      const Group group{.weight = input.weight + row * input.columns + first,
                        .importance = input.importance + first,
                        .size = input.group_size,
                        .lowest = -static_cast<float>(1 << (input.bits - 1)),
                        .highest = static_cast<float>((1 << (input.bits - 1)) - 1)};
      input.scale[row * num_groups + group_index] = BestScale(group, input);
    }
  }
}

}  // namespace pivot
