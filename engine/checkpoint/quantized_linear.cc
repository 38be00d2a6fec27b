// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/quantized_linear.h"

#include <ATen/ATen.h>

namespace pivot {
namespace {

/// Consecutive columns share a group: no table of scales by column is needed.
at::Tensor DequantizeInOrder(const QuantizedLinear& linear) {
  at::Tensor groups = linear.codes.reshape({linear.codes.size(0), linear.scale.size(1), -1}).to(at::kFloat);
  if (linear.zero_point.defined()) groups.sub_(linear.zero_point.unsqueeze(-1));
  groups.mul_(linear.scale.unsqueeze(-1));
  if (linear.offset.defined()) groups.add_(linear.offset.unsqueeze(-1));
  return groups.view(linear.codes.sizes());
}

}  // namespace

at::Tensor Dequantize(const QuantizedLinear& linear) {
  if (!linear.group_of_column.defined()) return DequantizeInOrder(linear);
  at::Tensor weight = linear.codes.to(at::kFloat);
  if (linear.zero_point.defined()) weight.sub_(linear.zero_point.index_select(1, linear.group_of_column));
  return weight.mul_(linear.scale.index_select(1, linear.group_of_column));
}

}  // namespace pivot
