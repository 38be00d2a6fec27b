// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_REFINE_GROUP_H_
#define PIVOT_KERNELS_REFINE_GROUP_H_

// The best scale of a group of neighbouring columns, then one sweep of coordinate descent over its codes.
//
// Equation: the loss of a row is (w - v) H (w - v)ᵀ, v = s (q - z) what its codes stand for; g = (w - v) H.
//           Scale: a = q - z;  s' = s + (a gᵀ) / (a H aᵀ), rounded to what files hold (storable_scale.h), where that
//           lowers the loss;  g -= (s' - s) a H.
//           Codes, for each column j in order: q' = nearest code to q + g_j / (H[j,j] s), the best one while the others
//           stay;  d = s (q' - q);  g -= d H[j,:].  No step raises the loss: it is a parabola in s' and in q'.
// Source:   QuantEase, arXiv:2309.01885, section 3 (cyclic descent); JointQ of OneComp takes the best single step of a
//           group instead. Differs: started from GPTQ's codes, and in terms of the gradient alone. Rounding is half to
//           even.

#include <cstdint>

#include "kernels/gptq_panel.h"

namespace pivot {

struct RefineGroup {
  int64_t rows = 0;
  int64_t columns = 0;              // 1 to kMaxPanelColumns
  int bits = 0;                     // 2 to 8
  int scale_digits = 0;             // significant bits of a new scale, 1 to 8; 0: scales stay as they are
  const float* hessian = nullptr;   // [columns, columns] f32, symmetric, diagonal above 0, rows `hessian_stride` apart
  int64_t hessian_stride = 0;       // this and the other strides in elements
  const float* gradient = nullptr;  // [rows, columns] f32, g, rows `gradient_stride` apart
  int64_t gradient_stride = 0;
  float* scale = nullptr;  // [rows] f32, never 0, `scale_stride` apart, in and out
  int64_t scale_stride = 0;
  const int8_t* zero_point = nullptr;  // [rows] i8, `zero_point_stride` apart; nullptr: 0; of use for scales only
  int64_t zero_point_stride = 0;
  int8_t* code = nullptr;  // [rows, columns] i8, rows `code_stride` apart, in and out: -2^(bits-1) to 2^(bits-1) - 1
  int64_t code_stride = 0;
  float* change = nullptr;  // [rows, columns] f32, rows `change_stride` apart, out: what was added to v
  int64_t change_stride = 0;
};

/// Rows [first_row, last_row) of the group. Rows do not depend on each other.
void RunRefineGroup(const RefineGroup& group, int64_t first_row, int64_t last_row);

}  // namespace pivot

#endif  // PIVOT_KERNELS_REFINE_GROUP_H_
