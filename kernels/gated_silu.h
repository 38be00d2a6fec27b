// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_GATED_SILU_H_
#define PIVOT_KERNELS_GATED_SILU_H_

// The activation between the projections of an MLP.
//
// Equation: out = bf16(bf16(silu(gate)) * up), silu(x) = x / (1 + exp(-x)), the rest in fp32.
// Source: SwiGLU of arXiv:2002.05202, with the two roundings of the Hugging Face models.

#include <cstdint>

namespace pivot {

struct GatedSiluInput {
  int64_t count = 0;
  const uint16_t* gate = nullptr;  // [count] bf16
  const uint16_t* up = nullptr;    // [count] bf16
  uint16_t* out = nullptr;         // [count] bf16; may be gate
};

/// Elements [first, last).
void RunGatedSilu(const GatedSiluInput& input, int64_t first, int64_t last);

}  // namespace pivot

#endif  // PIVOT_KERNELS_GATED_SILU_H_
