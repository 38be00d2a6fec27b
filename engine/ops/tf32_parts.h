// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_TF32_PARTS_H_
#define PIVOT_ENGINE_OPS_TF32_PARTS_H_

// Products of fp32 matrices with about the digits of fp32, at the rate of a GPU's TF32. Each function may throw what
// ATen throws.

#include <ATen/core/Tensor.h>

namespace pivot {

/// On a GPU a matrix as the sum of two of which TF32 (10 bits of fraction) loses nothing but the last bit or two of
/// fp32; on a CPU the matrix itself.
struct Tf32Parts {
  at::Tensor high;  // the first digits
  at::Tensor low;   // the rest; undefined: `high` is the whole

  Tf32Parts slice(int64_t dim, int64_t begin, int64_t end) const;
  Tf32Parts t() const;
};

Tf32Parts SplitTf32(const at::Tensor& matrix);

/// left · right without the product of both lows: three products at TF32's rate, about twice that of one in fp32.
/// Errors are up to four times those of a product in fp32, since a tensor core cuts off where fp32 rounds.
at::Tensor Product(const Tf32Parts& left, const Tf32Parts& right);

/// result -= left · right, the same way.
void SubtractProduct(const Tf32Parts& left, const Tf32Parts& right, const at::Tensor& result);

/// The same for matrices that are used once. A product that is too short to gain by it is one in fp32.
void SubtractProduct(const at::Tensor& left, const at::Tensor& right, const at::Tensor& result);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_TF32_PARTS_H_
