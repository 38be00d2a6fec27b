// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_RMS_NORM_H_
#define PIVOT_KERNELS_RMS_NORM_H_

// Divides rows by their root mean square.
//
// Equation: out = bf16(bf16(x / sqrt(mean(x^2) + epsilon)) * weight), the rest in fp32.
// Source: arXiv:1910.07467, with the two roundings of the Hugging Face models. The order of the sum is fixed on each
// device: equal inputs get equal bits there, though CPU and GPU may differ in the last bit. A value that is not finite
// stays in its row.

#include <cstdint>

namespace pivot {

struct RmsNormInput {
  int64_t rows = 0;
  int64_t columns = 0;
  const uint16_t* x = nullptr;       // [rows, columns] bf16, row-major
  const uint16_t* weight = nullptr;  // [columns] bf16
  float epsilon = 0;
  uint16_t* out = nullptr;  // [rows, columns] bf16, row-major; may be x
};

/// Rows [first_row, last_row).
void RunRmsNorm(const RmsNormInput& input, int64_t first_row, int64_t last_row);

}  // namespace pivot

#endif  // PIVOT_KERNELS_RMS_NORM_H_
