// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/weights.h"

#include <ATen/ATen.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/quantized_linear.h"
#include "engine/ops/call_torch.h"
#include "engine/ops/kernel_calls.h"
#include "proto/status/reason.h"
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
    default:
      return absl::InvalidArgumentError(absl::StrCat("tensors of type ", DtypeName(dtype), " are not read"));
  }
}

/// A view of the mapped file.
absl::StatusOr<at::Tensor> MapTensor(const ModelFolder& folder, const std::string& name) {
  const TensorInfo* info = folder.Find(name);
  if (info == nullptr) return absl::InvalidArgumentError(absl::StrCat(folder.path(), " has no tensor ", name));
  PIVOT_ASSIGN_OR_RETURN(const at::ScalarType type, FileScalarType(info->dtype));
  // ATen has no tensors over constant memory; nobody writes through this one.
  void* data = const_cast<char*>(folder.Bytes(name).data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  return at::from_blob(data, info->shape, at::TensorOptions().dtype(type));
}

absl::StatusOr<at::Tensor> DequantizeModule(const CheckpointFolder& folder, const std::string& module,
                                            LinearShape shape, const WeightScheme& scheme) {
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, MapTensor(folder.model, module + ".weight_packed"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor scale, MapTensor(folder.model, module + ".weight_scale"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor codes, UnpackCodes(words, shape.in_features, scheme.bits));
  return Dequantize(codes, scale.to(at::kFloat));
}

absl::Status CheckFinite(const at::Tensor& tensor, const std::string& name) {
  if (at::isfinite(tensor).all().item<bool>()) return absl::OkStatus();
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat("tensor ", name, " holds values that are not finite; the model is damaged")),
                    "MALFORMED_WEIGHTS");
}

}  // namespace

at::ScalarType ToScalarType(ComputeDtype dtype) {
  return dtype == ComputeDtype::kBfloat16 ? at::kBFloat16 : at::kFloat;
}

absl::StatusOr<at::Tensor> WeightReader::ReadTensor(const std::string& name) const {
  return CallTorch(absl::StrCat("reading ", name), [&]() -> absl::StatusOr<at::Tensor> {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(folder_.model, name));
    PIVOT_RETURN_IF_ERROR(CheckFinite(mapped, name));
    return mapped.to(device_, dtype_, /*non_blocking=*/false, /*copy=*/true);
  });
}

absl::StatusOr<at::Tensor> WeightReader::ReadExact(absl::string_view module, LinearShape shape) const {
  const std::string name(module);
  return CallTorch(absl::StrCat("reading ", name), [&]() -> absl::StatusOr<at::Tensor> {
    const auto scheme = folder_.SchemeOf(module, shape);
    if (scheme.has_value()) return DequantizeModule(folder_, name, shape, *scheme);
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, MapTensor(folder_.model, name + ".weight"));
    return mapped.to(at::kFloat);
  });
}

absl::StatusOr<Linear> WeightReader::ReadLinear(const std::string& module, const LinearEntry& entry) const {
  const LinearShape shape = ShapeOf(config(), entry.role);
  Linear linear;
  if (folder_.SchemeOf(module, shape).has_value()) {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor exact, ReadExact(module, shape));
    PIVOT_RETURN_IF_ERROR(CheckFinite(exact, module + ".weight_scale"));
    linear.weight = exact.to(device_, dtype_);
  } else {
    PIVOT_ASSIGN_OR_RETURN(linear.weight, ReadTensor(module + ".weight"));
  }
  if (HasBias(config(), entry.bias)) {
    PIVOT_ASSIGN_OR_RETURN(linear.bias, ReadTensor(module + ".bias"));
  }
  return linear;
}

absl::StatusOr<BlockWeights> WeightReader::ReadBlock(int block) const {
  const Architecture& architecture = *config().architecture;
  const std::string prefix = BlockPrefix(architecture, block);
  BlockWeights weights;
  PIVOT_ASSIGN_OR_RETURN(weights.attention_norm, ReadTensor(prefix + std::string(architecture.attention_norm)));
  PIVOT_ASSIGN_OR_RETURN(weights.mlp_norm, ReadTensor(prefix + std::string(architecture.mlp_norm)));
  for (const LinearEntry& entry : architecture.linears) {
    PIVOT_ASSIGN_OR_RETURN(weights.linear(entry.role), ReadLinear(prefix + std::string(entry.name), entry));
  }
  return weights;
}

absl::StatusOr<at::Tensor> WeightReader::ReadEmbedding() const {
  return ReadTensor(std::string(config().architecture->embedding));
}

absl::StatusOr<at::Tensor> WeightReader::ReadFinalNorm() const {
  return ReadTensor(std::string(config().architecture->final_norm));
}

absl::StatusOr<at::Tensor> WeightReader::ReadHead() const {
  return config().tied_embeddings ? ReadEmbedding() : ReadTensor(std::string(config().architecture->head));
}

}  // namespace pivot
