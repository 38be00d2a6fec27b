// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/tf32_parts.h"

#include <ATen/ATen.h>
#include <utility>

#include "engine/ops/fast_products.h"

namespace pivot {
namespace {

// The thirteen bits that TF32 has not are zero.
constexpr int32_t kTf32Bits = static_cast<int32_t>(0xFFFFE000U);

// Terms of a sum below which splitting takes longer than it saves.
constexpr int64_t kLeastTerms = 256;

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

void SubtractProduct(const Tf32Parts& left, const Tf32Parts& right, const at::Tensor& result) {
  if (!left.low.defined()) {
    result.addmm_(left.high, right.high, /*beta=*/1, /*alpha=*/-1);
    return;
  }
  const FastProducts fast;
  result.addmm_(left.high, right.high, /*beta=*/1, /*alpha=*/-1)
      .addmm_(left.high, right.low, /*beta=*/1, /*alpha=*/-1)
      .addmm_(left.low, right.high, /*beta=*/1, /*alpha=*/-1);
}

void SubtractProduct(const at::Tensor& left, const at::Tensor& right, const at::Tensor& result) {
  if (!left.is_cuda() || left.size(1) < kLeastTerms) {
    result.addmm_(left, right, /*beta=*/1, /*alpha=*/-1);
    return;
  }
  const Tf32Parts l = SplitTf32(left);
  const Tf32Parts r = SplitTf32(right);
  const FastProducts fast;
  // One product of three times as many terms reads and writes the result once.
  result.addmm_(at::cat({l.high, l.high, l.low}, 1), at::cat({r.high, r.low, r.high}, 0), /*beta=*/1, /*alpha=*/-1);
}

}  // namespace pivot
