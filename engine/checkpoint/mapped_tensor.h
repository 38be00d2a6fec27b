// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CHECKPOINT_MAPPED_TENSOR_H_
#define PIVOT_ENGINE_CHECKPOINT_MAPPED_TENSOR_H_

// Tensors of safetensors files as ATen's, without a copy.

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/model_folder.h"
#include "engine/model/safetensors.h"

namespace pivot {

/// A view of a mapped file's bytes. Nobody may write through it, and the file must outlive it. kInvalidArgument for a
/// dtype that no model's weights have.
absl::StatusOr<at::Tensor> MapTensor(absl::string_view bytes, const TensorInfo& info);

/// The same of a folder's tensor; what was computed for it lives as long as the tensor.
absl::StatusOr<at::Tensor> MapTensor(const TensorContent& content, const TensorInfo& info);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CHECKPOINT_MAPPED_TENSOR_H_
