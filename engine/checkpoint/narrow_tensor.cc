// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/narrow_tensor.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"

#include "engine/format/narrow_ends.h"
#include "proto/status/reason.h"

namespace pivot {

bool FitsFloat8(const at::Tensor& values) {
  // Not a number compares false.
  return (values.abs() <= kFloat8Max).all().item<bool>();
}

at::Tensor RoundToFloat8(const at::Tensor& values) { return values.to(at::kFloat8_e4m3fn).to(values.scalar_type()); }

absl::StatusOr<at::Tensor> NarrowTensor(const at::Tensor& values, const std::string& name) {
  if (FitsFloat8(values)) return values.to(at::kFloat8_e4m3fn).contiguous();
  return WithReason(absl::InvalidArgumentError(absl::StrCat("tensor ", name, " holds values beyond ", kFloat8Max,
                                                            ", which 8-bit floats have no room for")),
                    "MALFORMED_WEIGHTS");
}

}  // namespace pivot
