// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/tf32_parts.h"

#include <ATen/ATen.h>
#include <utility>

#include "engine/ops/fast_products.h"

namespace pivot {
namespace {

// The thirteen bits that TF32 has not are zero.
constexpr int32_t kTf32Bits = static_cast<int32_t>(0xFFFFE000U);

}  // namespace

Tf32Parts Tf32Parts::slice(int64_t dim, int64_t begin, int64_t end) const {
  return {high.slice(dim, begin, end), low.defined() ? low.slice(dim, begin, end) : low};
}

Tf32Parts Tf32Parts::t() const { return {high.t(), low.defined() ? low.t() : low}; }

Tf32Parts SplitTf32(const at::Tensor& matrix) {
  if (!matrix.is_cuda()) return {matrix, {}};
  at::Tensor high = matrix.view(at::kInt).bitwise_and(kTf32Bits).view(at::kFloat);
  at::Tensor low = matrix - high;
  return {std::move(high), std::move(low)};
}

at::Tensor Product(const Tf32Parts& left, const Tf32Parts& right) {
  if (!left.low.defined()) return at::mm(left.high, right.high);
  const FastProducts fast;
  return at::mm(left.high, right.high).addmm_(left.high, right.low).addmm_(left.low, right.high);
}

void SubtractProduct(const Tf32Parts& left, const Tf32Parts& right, at::Tensor result) {
  if (!left.low.defined()) {
    result.addmm_(left.high, right.high, /*beta=*/1, /*alpha=*/-1);
    return;
  }
  const FastProducts fast;
  result.addmm_(left.high, right.high, /*beta=*/1, /*alpha=*/-1)
      .addmm_(left.high, right.low, /*beta=*/1, /*alpha=*/-1)
      .addmm_(left.low, right.high, /*beta=*/1, /*alpha=*/-1);
}

}  // namespace pivot
