// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/row_forms.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <optional>

#include "engine/ops/fast_products.h"
#include "engine/ops/tf32_parts.h"

namespace pivot {
namespace {

// Columns of a strip of a symmetric form.
constexpr int64_t kColumns = 1024;

}  // namespace

at::Tensor ExactProduct(const at::Tensor& left, Digits left_digits, const at::Tensor& moment) {
  if (left_digits == Digits::kAny || !left.is_cuda()) return at::mm(left, moment);
  const Tf32Parts parts = SplitTf32(moment);
  const FastProducts fast;
  return at::mm(left, parts.high).addmm_(left, parts.low);
}

at::Tensor RowProducts(const at::Tensor& left, const at::Tensor& right) {
  return (left * right).sum(1, /*keepdim=*/false, at::kDouble);
}

at::Tensor SymmetricForms(const at::Tensor& rows, const at::Tensor& moment, FormDigits digits) {
  std::optional<FastProducts> fast;
  if (digits == FormDigits::kFast) fast.emplace();
  at::Tensor forms = at::zeros({rows.size(0)}, rows.options().dtype(at::kDouble));
  for (int64_t begin = 0; begin < rows.size(1); begin += kColumns) {
    const int64_t columns = std::min(kColumns, rows.size(1) - begin);
    const at::Tensor own = rows.narrow(1, begin, columns);
    const at::Tensor strip = moment.narrow(1, begin, columns);
    at::Tensor product = at::mm(own, strip.narrow(0, begin, columns));
    // What lies above the strip's own block lies to its left as well.
    if (begin > 0) product.addmm_(rows.narrow(1, 0, begin), strip.narrow(0, 0, begin), /*beta=*/1, /*alpha=*/2);
    forms += RowProducts(product, own);
  }
  return forms;
}

}  // namespace pivot
