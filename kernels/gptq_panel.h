// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_GPTQ_PANEL_H_
#define PIVOT_KERNELS_GPTQ_PANEL_H_

// The inner loop of GPTQ: quantizes a panel of neighbouring columns one by one and pushes each column's rounding error
// into the panel's columns that are still to come.
//
// Equation: q = nearest number of the grid to w_i / s_i;  e_i = (w_i - s_i q) / U[i,i];  w_j -= e_i U[i,j] for j > i.
// Source:   GPTQ, arXiv:2210.17323, Algorithm 1, the loop inside one block. Rounding is half to even; both quotients
// are
//           products with a reciprocal, which does not depend on the columns before.

#include <cstdint>

#include "kernels/code_grid.h"

namespace pivot {

/// Columns of a panel at most.
inline constexpr int64_t kMaxPanelColumns = 128;

/// Strides are elements from a row to the next.
struct GptqPanel {
  int64_t rows = 0;
  int64_t columns = 0;  // 1 to kMaxPanelColumns
  CodeGrid grid = CodeGrid::kInteger;
  int bits = 0;                   // 2 to 8; of integers
  const float* weight = nullptr;  // [rows, columns] f32
  int64_t weight_stride = 0;
  const float* factor = nullptr;  // [columns, columns] f32, U: upper triangle read, diagonal above 0
  int64_t factor_stride = 0;
  const float* scale = nullptr;  // [rows, groups] f32, never 0
  int64_t scale_stride = 0;
  const int32_t* group = nullptr;  // [columns] i32: which of the groups each column belongs to
  int8_t* code = nullptr;          // [rows, columns] i8, out: q, of floating-point grids its bits
  int64_t code_stride = 0;
  float* error = nullptr;  // [rows, columns] f32, out: e
  int64_t error_stride = 0;
};

/// Rows [first_row, last_row) of the panel. Rows do not depend on each other.
void RunGptqPanel(const GptqPanel& panel, int64_t first_row, int64_t last_row);

}  // namespace pivot

#endif  // PIVOT_KERNELS_GPTQ_PANEL_H_
