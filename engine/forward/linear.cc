// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/linear.h"

#include <ATen/ATen.h>

namespace pivot {

at::Tensor ApplyLinear(const at::Tensor& x, const Linear& linear) {
  const at::Tensor output =
      linear.bias.defined() ? at::linear(x, linear.weight, linear.bias) : at::linear(x, linear.weight);
  if (linear.outputs == nullptr) return output;
  output.retain_grad();
  linear.outputs->push_back(output);
  // What follows may work in place, and the gradient would be that of its result.
  return output.clone();
}

void AddLinear(at::Tensor& stream, const at::Tensor& x, const Linear& linear) {
  if (!stream.is_cuda() || linear.bias.defined() || linear.outputs != nullptr) {
    stream.add_(ApplyLinear(x, linear));
    return;
  }
  stream.view({-1, stream.size(-1)}).addmm_(x.reshape({-1, x.size(-1)}), linear.weight.t());
}

}  // namespace pivot
