// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_CLIP_SEARCH_H_
#define PIVOT_KERNELS_CLIP_SEARCH_H_

// Scales of symmetric groups: from the largest magnitude, or from the shrunk range that rounds the group best.
//
// A scale is the bf16 value nearest to (1 - step/100) * 2 max|w| / (2^bits - 1), step = 0, 1... num_steps-1; codes go
// from -2^(bits-1) to 2^(bits-1) - 1. The step with the least sum over the group of importance * (w - s q)^2 wins, the
// earlier one of equals; q is rounded from w * (1 / s). A group of zeros has the scale 1.
//
// The codes are lopsided: there is one more below 0 than above. With ScaleSigns::kEither the search begins at step -16,
// where four and three bits reach every weight on their short side too, and then does the same with negative scales,
// which turn the long side to the positive weights.
//
// Source: the range search of IST-DASLab/gptq (there the sum of |w - s q|^2.4). Differs: errors are squared and
// weighted by importance, the range is symmetric also when a group has no negative weight, and the scale is rounded to
// its storage type before it is judged.

#include <cstdint>

namespace pivot {

enum class ScaleSigns {
  kPositive,
  kEither,  // counts only with a search
};

/// Where the search begins with ScaleSigns::kEither.
inline constexpr int kFirstSignedStep = -16;

struct ClipSearchInput {
  int64_t rows = 0;
  int64_t columns = 0;  // a multiple of group_size
  int64_t group_size = 0;
  int bits = 0;       // 2 to 8
  int num_steps = 1;  // 1 (no search) to 100
  ScaleSigns signs = ScaleSigns::kPositive;
  const float* weight = nullptr;      // [rows, columns] f32, row-major, finite
  const float* importance = nullptr;  // [columns] f32, 0 or more
  float* scale = nullptr;             // [rows, columns / group_size] f32, row-major, out
};

/// Rows [first_row, last_row).
void RunClipSearch(const ClipSearchInput& input, int64_t first_row, int64_t last_row);

}  // namespace pivot

#endif  // PIVOT_KERNELS_CLIP_SEARCH_H_
