// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/float_tensors.h"

#include <ATen/ATen.h>

#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kExponentBias = 127;

at::Tensor PackNibbles(const at::Tensor& codes) {
  const at::Tensor bytes = codes.contiguous().view(at::kByte);
  return bytes.slice(1, 0, std::nullopt, 2).bitwise_or(bytes.slice(1, 1, std::nullopt, 2).mul(16)).to(at::kCPU);
}

at::Tensor UnpackNibbles(const at::Tensor& bytes) {
  const at::Tensor pairs = at::stack({bytes.bitwise_and(15), bytes.bitwise_right_shift(4)}, 2);
  return pairs.view({bytes.size(0), -1}).view(at::kChar);
}

/// The exponents of powers of two as E8M0.
absl::StatusOr<at::Tensor> EncodeExponents(const at::Tensor& scale, const std::string& module) {
  const at::Tensor exponents = at::log2(scale).round().add(kExponentBias);
  const at::Tensor bytes = exponents.clamp(0, 254).to(at::kByte);
  if (!at::equal(at::exp2(bytes.to(at::kFloat).sub(kExponentBias)), scale))
    return CannotExpress(module, "has scales that are not powers of two");
  return bytes.to(at::kCPU).contiguous();
}

/// One scale of each block of rows that share it.
at::Tensor WithoutRepeats(const at::Tensor& scale, int64_t row_group) {
  if (row_group == 0) return scale.flatten().narrow(0, 0, 1);
  return row_group == 1 ? scale : scale.slice(0, 0, std::nullopt, row_group);
}

at::Tensor RepeatRows(const at::Tensor& stored, LinearShape shape, int64_t row_group) {
  const at::Tensor scale = stored.to(at::kFloat);
  if (row_group == 0) return scale.reshape({1, 1}).expand({shape.out_features, 1}).contiguous();
  if (row_group == 1) return scale.contiguous();
  return scale.repeat_interleave(row_group, /*dim=*/0).slice(0, 0, shape.out_features).contiguous();
}

}  // namespace

absl::StatusOr<NamedTensors> EncodeFloatTensors(const QuantizedLinear& linear, const std::string& module,
                                                const LinearStorage& storage) {
  const WeightScheme& scheme = linear.scheme;
  NamedTensors tensors;
  if (scheme.type == CodeType::kFloat8) {
    tensors[module + ".weight"] = linear.codes.to(at::kCPU).contiguous().view(at::kFloat8_e4m3fn);
    PIVOT_ASSIGN_OR_RETURN(
        tensors[module + ".weight_scale"],
        ExactScale(WithoutRepeats(linear.scale, scheme.row_group).contiguous(), storage.scale_dtype, module));
    return tensors;
  }
  tensors[module + ".weight_packed"] = PackNibbles(linear.codes).contiguous();
  if (scheme.type == CodeType::kMxfp4) {
    PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_scale"], EncodeExponents(linear.scale, module));
    return tensors;
  }
  PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_scale"],
                         ExactScale(linear.scale.contiguous(), Dtype::kFloat8E4M3, module));
  tensors[module + ".weight_global_scale"] = linear.global_scale.to(at::kCPU).reshape({1}).contiguous();
  return tensors;
}

absl::StatusOr<QuantizedLinear> DecodeFloatTensors(const TensorLookup& find, const std::string& module,
                                                   LinearShape shape, const WeightScheme& scheme) {
  QuantizedLinear linear{.scheme = scheme.ForRow(shape.in_features)};
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor scale, RequireStored(find, module + ".weight_scale"));
  if (scheme.type == CodeType::kFloat8) {
    PIVOT_ASSIGN_OR_RETURN(const at::Tensor weight, RequireStored(find, module + ".weight"));
    linear.codes = weight.view(at::kChar).clone();
    linear.scale = RepeatRows(scale, shape, scheme.row_group);
    const int64_t group_size = linear.scheme.group_size;
    if (shape.in_features % group_size != 0)
      linear.group_of_column = at::floor_divide(at::arange(shape.in_features, at::kLong), group_size);
    return linear;
  }
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor bytes, RequireStored(find, module + ".weight_packed"));
  linear.codes = UnpackNibbles(bytes);
  if (scheme.type == CodeType::kMxfp4) {
    linear.scale = at::exp2(scale.to(at::kFloat).sub(kExponentBias));
    return linear;
  }
  linear.scale = scale.to(at::kFloat);
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor global_scale, RequireStored(find, module + ".weight_global_scale"));
  linear.global_scale = global_scale.reshape({1}).clone();
  return linear;
}

}  // namespace pivot
