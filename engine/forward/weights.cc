// SPDX-License-Identifier: Apache-2.0
#include "engine/forward/weights.h"

#include <ATen/ATen.h>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "engine/checkpoint/mapped_tensor.h"
#include "engine/model/mapped_file.h"
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

// Values that are looked at together on a CPU: what that takes beside them stays small.
constexpr int64_t kValuesAtOnce = int64_t{1} << 22;

bool AreFinite(const at::Tensor& tensor) {
  if (!tensor.is_cpu() || !tensor.is_contiguous()) return at::isfinite(tensor).all().item<bool>();
  for (const at::Tensor& part : tensor.view(-1).split(kValuesAtOnce))
    if (!at::isfinite(part).all().item<bool>()) return false;
  return true;
}

absl::Status CheckFinite(const at::Tensor& tensor, const std::string& name) {
  if (AreFinite(tensor)) return absl::OkStatus();
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat("tensor ", name, " holds values that are not finite; the model is damaged")),
                    "MALFORMED_WEIGHTS");
}

/// In the dtype; the same tensor when it has it. The largest floats round to infinity in bf16.
absl::StatusOr<at::Tensor> Convert(const at::Tensor& finite, at::ScalarType dtype, const std::string& name) {
  const at::Tensor converted = finite.to(dtype);
  const bool may_overflow = finite.scalar_type() == at::kFloat && dtype != at::kFloat;
  if (may_overflow && !AreFinite(converted)) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat("tensor ", name, " holds values that are too large for ",
                                                              at::toString(dtype), "; compute in float32")),
                      "MALFORMED_WEIGHTS");
  }
  return converted;
}

/// Convert of values that are looked at first. 8-bit floats, of which ATen cannot ask that, fit every dtype.
absl::StatusOr<at::Tensor> ConvertFinite(const at::Tensor& values, at::ScalarType dtype, const std::string& name) {
  if (values.scalar_type() != at::kFloat8_e4m3fn) {
    PIVOT_RETURN_IF_ERROR(CheckFinite(values, name));
    return Convert(values, dtype, name);
  }
  const at::Tensor widened = values.to(dtype);
  PIVOT_RETURN_IF_ERROR(CheckFinite(widened, name));
  return widened;
}

}  // namespace

at::ScalarType ToScalarType(ComputeDtype dtype) {
  return dtype == ComputeDtype::kBfloat16 ? at::kBFloat16 : at::kFloat;
}

absl::StatusOr<at::Tensor> WeightReader::Fetch(const std::string& name) const {
  return CallTorch(absl::StrCat("reading ", name), [&]() -> absl::StatusOr<at::Tensor> {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, RequireMapped(folder_.model, name));
    if (device_.is_cpu()) {
      PIVOT_ASSIGN_OR_RETURN(const at::Tensor converted, ConvertFinite(mapped, dtype_, name));
      return converted.is_same(mapped) ? mapped.clone() : converted;
    }
    return at::empty(mapped.sizes(), mapped.options().pinned_memory(true)).copy_(mapped);
  });
}

absl::StatusOr<at::Tensor> WeightReader::Place(const at::Tensor& fetched, const std::string& name) const {
  if (device_.is_cpu()) return fetched;
  return CallTorch(absl::StrCat("placing ", name), [&]() -> absl::StatusOr<at::Tensor> {
    return ConvertFinite(fetched.to(device_, /*non_blocking=*/true), dtype_, name);
  });
}

absl::StatusOr<at::Tensor> WeightReader::ReadTensor(const std::string& name) const {
  if (device_.is_cpu()) return Fetch(name);
  // Page-locked memory for one copy would take longer than the copy.
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor mapped, RequireMapped(folder_.model, name));
  return Place(mapped, name);
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

absl::StatusOr<Linear> WeightReader::FetchLinear(const BlockLinear& entry) const {
  const auto& [module, role, expert, shape, has_bias] = entry;
  Linear linear;
  if (folder_.StorageOf(module, shape).has_value()) {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor exact, ReadExact(module, shape));
    PIVOT_RETURN_IF_ERROR(CheckFinite(exact, module));
    PIVOT_ASSIGN_OR_RETURN(linear.weight, Convert(exact, dtype_, module));
  } else {
    PIVOT_ASSIGN_OR_RETURN(linear.weight, Fetch(module + ".weight"));
  }
  if (has_bias) {
    PIVOT_ASSIGN_OR_RETURN(linear.bias, Fetch(module + ".bias"));
  }
  return linear;
}

absl::StatusOr<Norm> WeightReader::FetchNorm(const std::string& module) const {
  Norm norm;
  PIVOT_ASSIGN_OR_RETURN(norm.weight, Fetch(module + ".weight"));
  if (config().architecture->norm == NormKind::kLayer) {
    PIVOT_ASSIGN_OR_RETURN(norm.bias, Fetch(module + ".bias"));
  }
  return norm;
}

absl::StatusOr<Norm> WeightReader::PlaceNorm(const Norm& fetched, const std::string& module) const {
  Norm norm;
  PIVOT_ASSIGN_OR_RETURN(norm.weight, Place(fetched.weight, module + ".weight"));
  if (config().architecture->norm == NormKind::kRmsOffset) norm.weight = norm.weight.to(at::kFloat) + 1;
  if (!fetched.bias.defined()) return norm;
  PIVOT_ASSIGN_OR_RETURN(norm.bias, Place(fetched.bias, module + ".bias"));
  return norm;
}

void WeightReader::ReleaseBlock(int block) const {
  const std::string prefix = BlockPrefix(*config().architecture, block);
  const auto& tensors = folder_.model.tensors();
  for (auto tensor = tensors.lower_bound(prefix); tensor != tensors.end(); ++tensor) {
    if (!absl::StartsWith(tensor->first, prefix)) return;
    const absl::string_view bytes = folder_.model.Bytes(tensor->first);
    if (!bytes.empty()) ReleasePages(bytes);
  }
}

absl::StatusOr<BlockWeights> WeightReader::FetchBlock(int block) const {
  const Architecture& architecture = *config().architecture;
  const std::string prefix = BlockPrefix(architecture, block);
  BlockWeights weights{.attention = config().attention[static_cast<size_t>(block)]};
  for (const NormEntry& entry : architecture.norms) {
    PIVOT_ASSIGN_OR_RETURN(weights.norm(entry.role), FetchNorm(prefix + std::string(entry.name)));
  }
  if (const auto router = RouterTensor(config(), block); router.has_value()) {
    PIVOT_ASSIGN_OR_RETURN(weights.router, Fetch(router->name));
    weights.experts.resize(static_cast<size_t>(config().experts.count));
  }
  for (const BlockLinear& entry : BlockLinears(config(), block)) {
    PIVOT_ASSIGN_OR_RETURN(weights.linear(entry.role, entry.expert), FetchLinear(entry));
  }
  return weights;
}

absl::StatusOr<BlockWeights> WeightReader::PlaceBlock(int block, const BlockWeights& fetched) const {
  const Architecture& architecture = *config().architecture;
  const std::string prefix = BlockPrefix(architecture, block);
  BlockWeights weights{.attention = fetched.attention};
  for (const NormEntry& entry : architecture.norms) {
    PIVOT_ASSIGN_OR_RETURN(weights.norm(entry.role),
                           PlaceNorm(fetched.norm(entry.role), prefix + std::string(entry.name)));
  }
  if (const auto router = RouterTensor(config(), block); router.has_value()) {
    PIVOT_ASSIGN_OR_RETURN(weights.router, Place(fetched.router, router->name));
    weights.experts.resize(fetched.experts.size());
  }
  for (const BlockLinear& entry : BlockLinears(config(), block)) {
    const Linear& linear = fetched.linear(entry.role, entry.expert);
    Linear& placed = weights.linear(entry.role, entry.expert);
    PIVOT_ASSIGN_OR_RETURN(placed.weight, Place(linear.weight, entry.module + ".weight"));
    if (!linear.bias.defined()) continue;
    PIVOT_ASSIGN_OR_RETURN(placed.bias, Place(linear.bias, entry.module + ".bias"));
  }
  return weights;
}

absl::StatusOr<BlockWeights> WeightReader::ReadBlock(int block) const {
  PIVOT_ASSIGN_OR_RETURN(const BlockWeights fetched, FetchBlock(block));
  return PlaceBlock(block, fetched);
}

absl::StatusOr<EmbeddingWeights> WeightReader::ReadEmbedding() const {
  const Architecture& architecture = *config().architecture;
  EmbeddingWeights weights;
  PIVOT_ASSIGN_OR_RETURN(weights.tokens, ReadTensor(std::string(architecture.embedding)));
  if (architecture.position_embedding.empty()) return weights;
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor positions, ReadTensor(std::string(architecture.position_embedding)));
  weights.positions = positions.slice(0, architecture.position_offset);
  return weights;
}

absl::StatusOr<HeadWeights> WeightReader::ReadHead() const {
  const Architecture& architecture = *config().architecture;
  const std::string norm(architecture.final_norm);
  const std::string head(absl::StripSuffix(architecture.head, ".weight"));
  HeadWeights weights;
  PIVOT_ASSIGN_OR_RETURN(weights.norm, FetchNorm(norm));
  PIVOT_ASSIGN_OR_RETURN(weights.norm, PlaceNorm(weights.norm, norm));
  PIVOT_ASSIGN_OR_RETURN(weights.head.weight,
                         ReadTensor(config().tied_embeddings ? std::string(architecture.embedding) : head + ".weight"));
  if (architecture.head_has_bias) {
    PIVOT_ASSIGN_OR_RETURN(weights.head.bias, ReadTensor(head + ".bias"));
  }
  return weights;
}

}  // namespace pivot
