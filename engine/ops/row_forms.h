// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_ROW_FORMS_H_
#define PIVOT_ENGINE_OPS_ROW_FORMS_H_

// Bilinear forms of rows, for what is reported.

#include <ATen/core/Tensor.h>

namespace pivot {

/// left_i · moment · right_i of each row i: [rows] f64. left and right [rows, in], moment [in, in], fp32. On a GPU the
/// product with the moment rounds its factors to TF32 (10 bits of fraction), so a form is right to about a thousandth.
/// May throw what ATen throws.
at::Tensor RowForms(const at::Tensor& left, const at::Tensor& moment, const at::Tensor& right);

/// left_i · right_i of each row: [rows] f64. May throw what ATen throws.
at::Tensor RowProducts(const at::Tensor& left, const at::Tensor& right);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_ROW_FORMS_H_
