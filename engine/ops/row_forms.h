// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_OPS_ROW_FORMS_H_
#define PIVOT_ENGINE_OPS_ROW_FORMS_H_

// Products of rows with second moments.

#include <ATen/core/Tensor.h>

namespace pivot {

enum class Digits { kShort, kAny };
/// left · moment with the digits of fp32, [rows, in] f32. On a GPU a `left` that came from a type of at most 11
/// significant bits (bf16, fp16), which TF32 holds exactly, is multiplied with two TF32 parts of the moment, in half
/// the time of a product in fp32. May throw what ATen throws.
at::Tensor ExactProduct(const at::Tensor& left, Digits left_digits, const at::Tensor& moment);

/// kFast: on a GPU products round their factors to TF32 (10 bits of fraction), so a form is right to about a
/// thousandth.
enum class FormDigits { kFull, kFast };
/// row_i · moment · row_i of each row: [rows] f64. rows [rows, in] and moment [in, in], fp32; the moment is symmetric,
/// so about half of it is read. May throw what ATen throws.
at::Tensor SymmetricForms(const at::Tensor& rows, const at::Tensor& moment, FormDigits digits);

/// left_i · right_i of each row: [rows] f64. May throw what ATen throws.
at::Tensor RowProducts(const at::Tensor& left, const at::Tensor& right);

}  // namespace pivot

#endif  // PIVOT_ENGINE_OPS_ROW_FORMS_H_
