// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/float_tensors.h"

#include <ATen/ATen.h>
#include <algorithm>

#include "engine/model/model_shapes.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int kExponentBias = 127;

at::Tensor PackNibbles(const at::Tensor& codes) {
  const at::Tensor bytes = codes.contiguous().view(at::kByte);
  return bytes.slice(1, 0, std::nullopt, 2).bitwise_or(bytes.slice(1, 1, std::nullopt, 2).mul(16));
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
  // A block may be higher than the layer.
  return scale.repeat_interleave(std::min(row_group, shape.out_features), /*dim=*/0)
      .slice(0, 0, shape.out_features)
      .contiguous();
}

}  // namespace

at::Tensor PackFloatCodes(const at::Tensor& codes, CodeType type) {
  return type == CodeType::kFloat8 ? codes.contiguous().view(at::kFloat8_e4m3fn) : PackNibbles(codes);
}

at::Tensor UnpackFloatCodes(const at::Tensor& words, CodeType type) {
  return type == CodeType::kFloat8 ? words.view(at::kChar).clone() : UnpackNibbles(words);
}

absl::StatusOr<NamedTensors> EncodeFloatTensors(const PackedLinear& linear, const std::string& module,
                                                const LinearStorage& storage) {
  const QuantizedLinear& grid = linear.grid;
  const at::Tensor words = linear.words.to(at::kCPU).contiguous();
  NamedTensors tensors;
  if (grid.scheme.type == CodeType::kFloat8) {
    tensors[module + ".weight"] = words;
    PIVOT_ASSIGN_OR_RETURN(
        tensors[ScaleTensorName(module, storage)],
        ExactScale(WithoutRepeats(grid.scale, grid.scheme.row_group).contiguous(), storage.scale_dtype, module));
    return tensors;
  }
  tensors[module + ".weight_packed"] = words;
  if (grid.scheme.type == CodeType::kMxfp4) {
    PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_scale"], EncodeExponents(grid.scale, module));
    return tensors;
  }
  PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_scale"],
                         ExactScale(grid.scale.contiguous(), Dtype::kFloat8E4M3, module));
  tensors[module + ".weight_global_scale"] = grid.global_scale.to(at::kCPU).reshape({1}).contiguous();
  return tensors;
}

absl::StatusOr<PackedLinear> ReadFloatTensors(const TensorLookup& find, const std::string& module, LinearShape shape,
                                              const LinearStorage& storage) {
  const WeightScheme& scheme = storage.scheme;
  const bool is_fp8 = scheme.type == CodeType::kFloat8;
  PackedLinear linear{.shape = shape, .grid = {.scheme = scheme.ForRow(shape.in_features)}};
  QuantizedLinear& grid = linear.grid;
  PIVOT_ASSIGN_OR_RETURN(linear.words, RequireStored(find, module + (is_fp8 ? ".weight" : ".weight_packed")));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor scale, RequireStored(find, ScaleTensorName(module, storage)));
  if (is_fp8) {
    grid.scale = RepeatRows(scale, shape, scheme.row_group);
    const int64_t group_size = grid.scheme.group_size;
    if (shape.in_features % group_size != 0)
      grid.group_of_column = at::floor_divide(at::arange(shape.in_features, at::kLong), group_size);
    return linear;
  }
  if (scheme.type == CodeType::kMxfp4) {
    grid.scale = at::exp2(scale.to(at::kFloat).sub(kExponentBias));
    return linear;
  }
  grid.scale = scale.to(at::kFloat);
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor global_scale, RequireStored(find, module + ".weight_global_scale"));
  grid.global_scale = global_scale.reshape({1}).clone();
  return linear;
}

}  // namespace pivot
