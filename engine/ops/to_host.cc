// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/to_host.h"

#include <ATen/ATen.h>

namespace pivot {

at::Tensor ToHost(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  const auto options = tensor.options().device(at::kCPU).pinned_memory(true);
  return at::empty(tensor.sizes(), options).copy_(tensor);
}

}  // namespace pivot
