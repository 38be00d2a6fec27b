// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/quantized_linear.h"

#include <ATen/ATen.h>
#include <array>

namespace pivot {
namespace {

// E2M1 by its code: sign, two bits of exponent, one of mantissa.
constexpr std::array<float, 16> kFloat4Numbers = {0,     0.5F,  1,  1.5F,  2,  3,  4,  6,
                                                  -0.0F, -0.5F, -1, -1.5F, -2, -3, -4, -6};

/// A copy that may be written to.
at::Tensor NumbersOf(const QuantizedLinear& linear) {
  return linear.scheme.is_integer() ? linear.codes.to(at::kFloat) : DecodeFloats(linear.codes, linear.scheme.type);
}

at::Tensor ScaleOf(const QuantizedLinear& linear) {
  return linear.global_scale.defined() ? linear.scale / linear.global_scale : linear.scale;
}

/// Consecutive columns share a group: no table of scales by column is needed.
at::Tensor DequantizeInOrder(const QuantizedLinear& linear) {
  at::Tensor groups = NumbersOf(linear).reshape({linear.codes.size(0), linear.scale.size(1), -1});
  if (linear.zero_point.defined()) groups.sub_(linear.zero_point.unsqueeze(-1));
  groups.mul_(ScaleOf(linear).unsqueeze(-1));
  if (linear.offset.defined()) groups.add_(linear.offset.unsqueeze(-1));
  return groups.view(linear.codes.sizes());
}

}  // namespace

at::Tensor DecodeFloats(const at::Tensor& codes, CodeType type) {
  if (type == CodeType::kFloat8) return codes.contiguous().view(at::kFloat8_e4m3fn).to(at::kFloat);
  const at::Tensor numbers =
      at::tensor(at::ArrayRef<float>(kFloat4Numbers), at::TensorOptions().dtype(at::kFloat)).to(codes.device());
  return numbers.index_select(0, codes.reshape({-1}).to(at::kInt)).view(codes.sizes());
}

at::Tensor Dequantize(const QuantizedLinear& linear) {
  if (!linear.group_of_column.defined()) return DequantizeInOrder(linear);
  at::Tensor weight = NumbersOf(linear);
  if (linear.zero_point.defined()) weight.sub_(linear.zero_point.index_select(1, linear.group_of_column));
  return weight.mul_(ScaleOf(linear).index_select(1, linear.group_of_column));
}

}  // namespace pivot
