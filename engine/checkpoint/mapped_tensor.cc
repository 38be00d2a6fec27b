// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/mapped_tensor.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"

namespace pivot {
namespace {

absl::StatusOr<at::ScalarType> FileScalarType(Dtype dtype) {
  switch (dtype) {
    case Dtype::kBfloat16:
      return at::kBFloat16;
    case Dtype::kFloat16:
      return at::kHalf;
    case Dtype::kFloat32:
      return at::kFloat;
    case Dtype::kInt32:
      return at::kInt;
    case Dtype::kUint8:
      return at::kByte;
    case Dtype::kFloat8E4M3:
      return at::kFloat8_e4m3fn;
    default:
      return absl::InvalidArgumentError(absl::StrCat("tensors of type ", DtypeName(dtype), " are not read"));
  }
}

}  // namespace

absl::StatusOr<at::Tensor> MapTensor(absl::string_view bytes, const TensorInfo& info) {
  PIVOT_ASSIGN_OR_RETURN(const at::ScalarType type, FileScalarType(info.dtype));
  // ATen has no tensors over constant memory.
  void* data = const_cast<char*>(bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  return at::from_blob(data, info.shape, at::TensorOptions().dtype(type));
}

absl::StatusOr<at::Tensor> MapTensor(const TensorContent& content, const TensorInfo& info) {
  if (content.computed == nullptr) return MapTensor(content.bytes, info);
  PIVOT_ASSIGN_OR_RETURN(const at::ScalarType type, FileScalarType(info.dtype));
  void* data = const_cast<char*>(content.bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  return at::from_blob(data, info.shape, [kept = content.computed](void*) {}, at::TensorOptions().dtype(type));
}

}  // namespace pivot
