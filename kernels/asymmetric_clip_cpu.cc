// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>
#include <limits>

#include "kernels/asymmetric_clip.h"
#include "kernels/bf16.h"
#include "kernels/lane_sums.h"
#include "kernels/simd.h"

namespace pivot {
namespace {

// Added and subtracted, it rounds a float below 2^22 to a whole number, half to even.
constexpr float kRoundingMagic = 12582912.0F;

float RoundToWhole(float value) { return (value + kRoundingMagic) - kRoundingMagic; }

struct Grid {
  float scale = 1;
  float zero_point = 0;
};

struct Group {
  const float* weight;
  const float* importance;
  int64_t size;
  float lowest;
  float highest;
};

float SquareOf(const Group& group, const Grid& grid, int64_t i) {
  const float clamped = std::min(std::max(group.weight[i] / grid.scale + grid.zero_point, group.lowest), group.highest);
  const float error = group.weight[i] - (RoundToWhole(clamped) - grid.zero_point) * grid.scale;
  return group.importance[i] * (error * error);
}

PIVOT_SIMD float ErrorOf(const Group& group, const Grid& grid) {
  std::array<float, kGroupLanes> sums{};
  const int64_t whole = group.size / kGroupLanes * kGroupLanes;
  for (int64_t i = 0; i < whole; i += kGroupLanes) {
    for (int64_t lane = 0; lane < kGroupLanes; ++lane)
      sums[static_cast<size_t>(lane)] += SquareOf(group, grid, i + lane);
  }
  for (int64_t i = whole; i < group.size; ++i) sums[static_cast<size_t>(i - whole)] += SquareOf(group, grid, i);
  return SumLanes(sums);
}

Grid GridOf(const Group& group, float low, float range, float shrink) {
  Grid grid{.scale = RoundToBf16(range * shrink)};
  const float zero_point = group.lowest - RoundToWhole(low * shrink / grid.scale);
  grid.zero_point = std::min(std::max(zero_point, group.lowest), group.highest);
  return grid;
}

Grid BestGrid(const Group& group, const AsymmetricClipInput& input) {
  float low = 0;
  float high = 0;
  for (int64_t i = 0; i < group.size; ++i) {
    low = std::min(low, group.weight[i]);
    high = std::max(high, group.weight[i]);
  }
  const float base = (high - low) / static_cast<float>((1 << input.bits) - 1);
  // Too small to divide by, or for bf16 to hold: such a group is zero for all purposes.
  if (base < std::numeric_limits<float>::min() * 256.0F) return {};
  Grid best = GridOf(group, low, base, 1.0F);
  float best_error = std::numeric_limits<float>::infinity();
  for (int step = 0; step < (input.num_steps == 1 ? 0 : input.num_steps); ++step) {
    const Grid grid = GridOf(group, low, base, 1.0F - static_cast<float>(step) / 100.0F);
    const float error = ErrorOf(group, grid);
    if (error < best_error) {
      best_error = error;
      best = grid;
    }
  }
  return best;
}

}  // namespace

void RunAsymmetricClip(const AsymmetricClipInput& input, int64_t first_row, int64_t last_row) {
  assert(input.group_size > 0 && input.columns % input.group_size == 0 && input.num_steps >= 1 &&
         input.num_steps <= 100);
  const int64_t num_groups = input.columns / input.group_size;
  for (int64_t row = first_row; row < last_row; ++row) {
    for (int64_t group_index = 0; group_index < num_groups; ++group_index) {
      const int64_t first = group_index * input.group_size;
      const Grid grid = BestGrid({.weight = input.weight + row * input.columns + first,
                                  .importance = input.importance + first,
                                  .size = input.group_size,
                                  .lowest = -static_cast<float>(1 << (input.bits - 1)),
                                  .highest = static_cast<float>((1 << (input.bits - 1)) - 1)},
                                 input);
      input.scale[row * num_groups + group_index] = grid.scale;
      input.zero_point[row * num_groups + group_index] = static_cast<int8_t>(grid.zero_point);
    }
  }
}

}  // namespace pivot
