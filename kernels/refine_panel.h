// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_REFINE_PANEL_H_
#define PIVOT_KERNELS_REFINE_PANEL_H_

// One sweep of coordinate descent over the codes of a panel of neighbouring columns.
//
// Equation: the loss of a row is (w - v) H (w - v)ᵀ, v = what its codes stand for; g = (w - v) H. For each column j in
//           order: q' = nearest code to q + g_j / (H[j,j] s_j), the best one while the others stay;
//           d = s_j (q' - q);  g -= d H[j,:].  No step raises the loss: it is a parabola in q'.
// Source:   QuantEase, arXiv:2309.01885, section 3 (cyclic descent); JointQ of OneComp takes the best single step of a
//           group instead. Differs: started from GPTQ's codes, and in terms of the gradient alone. Rounding is half to
//           even.

#include <cstdint>

#include "kernels/gptq_panel.h"

namespace pivot {

struct RefinePanel {
  int64_t rows = 0;
  int64_t columns = 0;             // 1 to kMaxPanelColumns
  int bits = 0;                    // 2 to 8
  const float* hessian = nullptr;  // [columns, columns] f32, symmetric, diagonal above 0, rows `hessian_stride` apart
  int64_t hessian_stride = 0;      // elements
  float* gradient = nullptr;       // [rows, columns] f32, row-major; on return that of the new codes
  const float* scale = nullptr;    // [rows] f32, never 0: the panel lies inside one group
  int8_t* code = nullptr;          // [rows, columns] i8, row-major, in and out: -2^(bits-1) to 2^(bits-1) - 1
  float* change = nullptr;         // [rows, columns] f32, row-major, out: the sum of d, 0 for codes that stay
};

/// Rows [first_row, last_row) of the panel. Rows do not depend on each other.
void RunRefinePanel(const RefinePanel& panel, int64_t first_row, int64_t last_row);

}  // namespace pivot

#endif  // PIVOT_KERNELS_REFINE_PANEL_H_
