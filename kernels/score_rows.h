// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_SCORE_ROWS_H_
#define PIVOT_KERNELS_SCORE_ROWS_H_

// What perplexity, KL divergence and top-1 agreement need of each position's logits, in one pass over them.
//
// Equation: lse(x) = log sum exp(x);  nll = lse(x) - x[target];  with reference logits t beside the model's s:
//           kl = sum p (t - s) - lse(t) + lse(s),  p = exp(t - lse(t)).

#include <cstdint>

namespace pivot {

struct ScoreInput {
  int64_t rows = 0;
  int64_t columns = 0;              // 1 or more
  bool is_bf16 = false;             // else fp32
  const void* model = nullptr;      // [rows, columns] bf16 or f32, row-major, finite
  const void* reference = nullptr;  // the same; null: no comparison, the last three outputs are not written
  const int64_t* target = nullptr;  // [rows] i64, 0 to columns - 1
  float* model_nll = nullptr;       // [rows] f32, nats, out
  float* reference_nll = nullptr;   // [rows] f32, out
  float* kl = nullptr;              // [rows] f32, nats, out
  uint8_t* has_same_top = nullptr;  // [rows] u8, out: 1 when both rank the same column first, the earlier of equals
};

/// Rows [first_row, last_row). Sums are float over runs of 1024 columns and double over runs.
void RunScoreRows(const ScoreInput& input, int64_t first_row, int64_t last_row);

}  // namespace pivot

#endif  // PIVOT_KERNELS_SCORE_ROWS_H_
