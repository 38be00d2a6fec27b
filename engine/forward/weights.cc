// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/weights.h"

#include <ATen/ATen.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/mapped_tensor.h"
#include "engine/ops/call_torch.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// A view of the mapped file, or an undefined tensor when there is none of this name.
absl::StatusOr<at::Tensor> FindTensor(const ModelFolder& folder, const std::string& name) {
  const TensorInfo* info = folder.Find(name);
  if (info == nullptr) return at::Tensor();
  return MapTensor(folder.Read(name), *info);
}

absl::StatusOr<at::Tensor> RequireMapped(const ModelFolder& folder, const std::string& name) {
  PIVOT_ASSIGN_OR_RETURN(at::Tensor tensor, FindTensor(folder, name));
  if (!tensor.defined()) return absl::InvalidArgumentError(absl::StrCat(folder.path(), " has no tensor ", name));
  return tensor;
}

absl::Status CheckFinite(const at::Tensor& tensor, const std::string& name) {
  if (at::isfinite(tensor).all().item<bool>()) return absl::OkStatus();
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat("tensor ", name, " holds values that are not finite; the model is damaged")),
                    "MALFORMED_WEIGHTS");
}

/// In the dtype; the same tensor when it has it. The largest floats round to infinity in bf16.
absl::StatusOr<at::Tensor> Convert(const at::Tensor& finite, at::ScalarType dtype, const std::string& name) {
  const at::Tensor converted = finite.to(dtype);
  const bool may_overflow = finite.scalar_type() == at::kFloat && dtype != at::kFloat;
  if (may_overflow && !at::isfinite(converted).all().item<bool>()) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat("tensor ", name, " holds values that are too large for ",
                                                              at::toString(dtype), "; compute in float32")),
                      "MALFORMED_WEIGHTS");
  }
  return converted;
}

}  // namespace

at::ScalarType ToScalarType(ComputeDtype dtype) {
  return dtype == ComputeDtype::kBfloat16 ? at::kBFloat16 : at::kFloat;
}

absl::StatusOr<at::Tensor> WeightReader::Fetch(const std::string& name) const {
  return CallTorch(absl::StrCat("reading ", name), [&]() -> absl::StatusOr<at::Tensor> {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, RequireMapped(folder_.model, name));
    if (device_.is_cpu()) {
      PIVOT_RETURN_IF_ERROR(CheckFinite(mapped, name));
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor converted, Convert(mapped, dtype_, name));
      return converted.is_same(mapped) ? mapped.clone() : converted;
    }
    return at::empty(mapped.sizes(), mapped.options().pinned_memory(true)).copy_(mapped);
  });
}

absl::StatusOr<at::Tensor> WeightReader::Place(const at::Tensor& fetched, const std::string& name) const {
  if (device_.is_cpu()) return fetched;
  return CallTorch(absl::StrCat("placing ", name), [&]() -> absl::StatusOr<at::Tensor> {
    const at::Tensor placed = fetched.to(device_, /*non_blocking=*/true);
    PIVOT_RETURN_IF_ERROR(CheckFinite(placed, name));
    return Convert(placed, dtype_, name);
  });
}

absl::StatusOr<at::Tensor> WeightReader::ReadTensor(const std::string& name) const {
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor fetched, Fetch(name));
  return Place(fetched, name);
}

bool WeightReader::IsReadExactly(absl::string_view module, LinearShape shape) const {
  if (folder_.StorageOf(module, shape).has_value()) return false;
  const TensorInfo* info = folder_.model.Find(absl::StrCat(module, ".weight"));
  if (info == nullptr) return false;
  const bool is_bf16 = info->dtype == Dtype::kBfloat16;
  return dtype_ == at::kFloat ? is_bf16 || info->dtype == Dtype::kFloat16 || info->dtype == Dtype::kFloat32 : is_bf16;
}

absl::StatusOr<at::Tensor> WeightReader::ReadExact(absl::string_view module, LinearShape shape) const {
  const std::string name(module);
  return CallTorch(absl::StrCat("reading ", name), [&]() -> absl::StatusOr<at::Tensor> {
    if (folder_.StorageOf(module, shape).has_value()) {
      PIVOT_ASSIGN_OR_RETURN(const QuantizedLinear linear, ReadQuantized(module, shape));
      return Dequantize(linear);
    }
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, RequireMapped(folder_.model, name + ".weight"));
    return mapped.to(at::kFloat);
  });
}

absl::StatusOr<QuantizedLinear> WeightReader::ReadQuantized(absl::string_view module, LinearShape shape) const {
  return CallTorch(absl::StrCat("reading ", module), [&]() -> absl::StatusOr<QuantizedLinear> {
    const auto storage = folder_.StorageOf(module, shape);
    if (!storage.has_value()) return absl::InvalidArgumentError(absl::StrCat(module, " is not quantized"));
    return DecodeLinear([this](const std::string& name) { return FindTensor(folder_.model, name); }, module, shape,
                        *storage);
  });
}

absl::StatusOr<PackedLinear> WeightReader::ReadPackedCodes(absl::string_view module, LinearShape shape) const {
  return CallTorch(absl::StrCat("reading ", module), [&]() -> absl::StatusOr<PackedLinear> {
    const auto storage = folder_.StorageOf(module, shape);
    if (!storage.has_value()) return absl::InvalidArgumentError(absl::StrCat(module, " is not quantized"));
    return ReadPacked([this](const std::string& name) { return FindTensor(folder_.model, name); }, module, shape,
                      *storage);
  });
}

absl::StatusOr<Linear> WeightReader::FetchLinear(const std::string& module, const LinearEntry& entry) const {
  const LinearShape shape = ShapeOf(config(), entry.role);
  Linear linear;
  if (folder_.StorageOf(module, shape).has_value()) {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor exact, ReadExact(module, shape));
    PIVOT_RETURN_IF_ERROR(CheckFinite(exact, module));
    PIVOT_ASSIGN_OR_RETURN(linear.weight, Convert(exact, dtype_, module));
  } else {
    PIVOT_ASSIGN_OR_RETURN(linear.weight, Fetch(module + ".weight"));
  }
  if (HasBias(config(), entry.bias)) {
    PIVOT_ASSIGN_OR_RETURN(linear.bias, Fetch(module + ".bias"));
  }
  return linear;
}

absl::StatusOr<BlockWeights> WeightReader::FetchBlock(int block) const {
  const Architecture& architecture = *config().architecture;
  const std::string prefix = BlockPrefix(architecture, block);
  BlockWeights weights;
  PIVOT_ASSIGN_OR_RETURN(weights.attention_norm, Fetch(prefix + std::string(architecture.attention_norm)));
  PIVOT_ASSIGN_OR_RETURN(weights.mlp_norm, Fetch(prefix + std::string(architecture.mlp_norm)));
  for (const LinearEntry& entry : architecture.linears) {
    PIVOT_ASSIGN_OR_RETURN(weights.linear(entry.role), FetchLinear(prefix + std::string(entry.name), entry));
  }
  return weights;
}

absl::StatusOr<BlockWeights> WeightReader::PlaceBlock(int block, const BlockWeights& fetched) const {
  const Architecture& architecture = *config().architecture;
  const std::string prefix = BlockPrefix(architecture, block);
  BlockWeights weights;
  PIVOT_ASSIGN_OR_RETURN(weights.attention_norm,
                         Place(fetched.attention_norm, prefix + std::string(architecture.attention_norm)));
  PIVOT_ASSIGN_OR_RETURN(weights.mlp_norm, Place(fetched.mlp_norm, prefix + std::string(architecture.mlp_norm)));
  for (const LinearEntry& entry : architecture.linears) {
    const std::string module = prefix + std::string(entry.name);
    const Linear& linear = fetched.linear(entry.role);
    PIVOT_ASSIGN_OR_RETURN(weights.linear(entry.role).weight, Place(linear.weight, module + ".weight"));
    if (!linear.bias.defined()) continue;
    PIVOT_ASSIGN_OR_RETURN(weights.linear(entry.role).bias, Place(linear.bias, module + ".bias"));
  }
  return weights;
}

absl::StatusOr<BlockWeights> WeightReader::ReadBlock(int block) const {
  PIVOT_ASSIGN_OR_RETURN(const BlockWeights fetched, FetchBlock(block));
  return PlaceBlock(block, fetched);
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
