// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/quantized_linear.h"

#include <ATen/ATen.h>

namespace pivot {

at::Tensor Dequantize(const at::Tensor& codes, const at::Tensor& scale) {
  const at::Tensor groups = codes.reshape({codes.size(0), scale.size(1), -1}).to(at::kFloat);
  return groups.mul_(scale.unsqueeze(-1)).view(codes.sizes());
}

}  // namespace pivot
