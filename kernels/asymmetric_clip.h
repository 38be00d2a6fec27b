// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_ASYMMETRIC_CLIP_H_
#define PIVOT_KERNELS_ASYMMETRIC_CLIP_H_

// Scales and zero points of asymmetric groups: from the range of the group, or from the shrunk range that rounds it
// best.
//
// The range goes from lo = min(0, min w) to hi = max(0, max w). At step t it is shrunk to (1 - t/100) of both ends:
// scale s = bf16((1 - t/100) (hi - lo) / (2^bits - 1)), zero point z = clamp(rint(-(1 - t/100) lo / s) - 2^(bits-1)),
// codes q = clamp(rint(w / s) + z), weights s (q - z), all clamped to -2^(bits-1) .. 2^(bits-1) - 1. The step with the
// least sum over the group of importance * (w - s (q - z))^2 wins, the earlier one of equals. A group of zeros has the
// scale 1 and the zero point 0.
//
// Source: the asymmetric range search of IST-DASLab/gptq. Differs: errors are squared and weighted by importance, and
// the scale is rounded to its storage type before it is judged.

#include <cstdint>

namespace pivot {

struct AsymmetricClipInput {
  int64_t rows = 0;
  int64_t columns = 0;  // a multiple of group_size
  int64_t group_size = 0;
  int bits = 0;                       // 2 to 8
  int num_steps = 1;                  // 1 (no search) to 100
  const float* weight = nullptr;      // [rows, columns] f32, row-major, finite
  const float* importance = nullptr;  // [columns] f32, 0 or more
  float* scale = nullptr;             // [rows, columns / group_size] f32, row-major, out
  int8_t* zero_point = nullptr;       // [rows, columns / group_size] i8, row-major, out
};

/// Rows [first_row, last_row).
void RunAsymmetricClip(const AsymmetricClipInput& input, int64_t first_row, int64_t last_row);

}  // namespace pivot

#endif  // PIVOT_KERNELS_ASYMMETRIC_CLIP_H_
