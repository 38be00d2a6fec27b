// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/stored_tensor.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

at::ScalarType ScaleType(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat16:
      return at::kHalf;
    case Dtype::kFloat32:
      return at::kFloat;
    case Dtype::kFloat8E4M3:
      return at::kFloat8_e4m3fn;
    default:
      return at::kBFloat16;
  }
}

}  // namespace

absl::StatusOr<at::Tensor> RequireStored(const TensorLookup& find, const std::string& name) {
  PIVOT_ASSIGN_OR_RETURN(at::Tensor tensor, find(name));
  if (tensor.defined()) return tensor;
  return WithReason(absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is missing")), "MALFORMED_WEIGHTS");
}

absl::Status CannotExpress(absl::string_view module, absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(module, " ", problem)), "FORMAT_CANNOT_EXPRESS");
}

absl::StatusOr<at::Tensor> ExactScale(const at::Tensor& scale, Dtype dtype, absl::string_view module) {
  const at::ScalarType type = ScaleType(dtype);
  at::Tensor stored = scale.to(type);
  if (!at::equal(stored.to(at::kFloat), scale))
    return CannotExpress(module, absl::StrCat("has scales that are not exact in ", at::toString(type)));
  return stored.to(at::kCPU);
}

}  // namespace pivot
