// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_ROTARY_H_
#define PIVOT_KERNELS_ROTARY_H_

// Rotates the pairs (element i, element i + head_dim/2) of each head by the angles of its token's position.
//
// Equation: out = bf16(bf16(x * cosine) + bf16(turned(x) * sine)), turned(x) = (-second half, first half), the rest in
// fp32.
// Source: RoFormer, arXiv:2104.09864, in the half-split form of the Hugging Face models and with their roundings.

#include <cstdint>

namespace pivot {

struct RotaryInput {
  int64_t tokens = 0;  // of all windows; below 2^31
  int64_t length = 0;  // of a window: token t is at position t % length
  int64_t heads = 0;
  int64_t head_dim = 0;              // even
  const uint16_t* x = nullptr;       // [tokens, heads, head_dim] bf16, a token's heads contiguous
  int64_t token_stride = 0;          // of x, in elements
  const uint16_t* cosine = nullptr;  // [length, head_dim] bf16, row-major
  const uint16_t* sine = nullptr;    // [length, head_dim] bf16, row-major
  uint16_t* out = nullptr;           // [tokens, heads, head_dim] bf16, row-major; apart from x
};

/// Tokens [first_token, last_token).
void RunRotary(const RotaryInput& input, int64_t first_token, int64_t last_token);

}  // namespace pivot

#endif  // PIVOT_KERNELS_ROTARY_H_
