// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/linear_tensors.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/gguf_linear.h"
#include "engine/model/gguf/gguf_model.h"
#include "engine/ops/kernel_calls.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

using NamedTensors = std::map<std::string, at::Tensor>;

absl::Status CannotExpress(absl::string_view module, absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(module, " ", problem)), "FORMAT_CANNOT_EXPRESS");
}

/// Adds `step` to each zero point modulo 2^bits: GPTQ v1 stores them less 1.
at::Tensor ShiftedZeroPoint(const at::Tensor& zero_point, int bits, int step) {
  const int half = 1 << (bits - 1);
  return ((zero_point.to(at::kShort) + (half + step)).bitwise_and((1 << bits) - 1) - half).to(at::kChar);
}

absl::StatusOr<at::Tensor> ScaleAs(const at::Tensor& scale, at::ScalarType type, absl::string_view module) {
  at::Tensor stored = scale.to(type);
  if (!at::equal(stored.to(at::kFloat), scale)) {
    return CannotExpress(module, absl::StrCat("has scales that are not exact in ", at::toString(type)));
  }
  return stored.to(at::kCPU);
}

at::ScalarType ScaleType(Dtype dtype) {
  if (dtype == Dtype::kFloat16) return at::kHalf;
  return dtype == Dtype::kFloat32 ? at::kFloat : at::kBFloat16;
}

/// Fields of `values` [rows, columns] packed along the rows, turned round: [words of a row, rows].
absl::StatusOr<at::Tensor> PackDown(const at::Tensor& values, int bits) {
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, PackCodes(values, bits));
  return words.t().to(at::kCPU).contiguous();
}

absl::StatusOr<NamedTensors> EncodePackQuantized(const QuantizedLinear& linear, const std::string& module,
                                                 const LinearStorage& storage) {
  if (linear.group_of_column.defined()) {
    return CannotExpress(module,
                         "has columns in the order of their groups (desc_act), which compressed-tensors has not");
  }
  const int bits = linear.scheme.bits;
  NamedTensors tensors;
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, PackCodes(linear.codes, bits));
  tensors[module + ".weight_packed"] = words.to(at::kCPU).contiguous();
  PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_scale"],
                         ScaleAs(linear.scale.contiguous(), ScaleType(storage.scale_dtype), module));
  tensors[module + ".weight_shape"] = at::tensor({linear.codes.size(0), linear.codes.size(1)}, at::kLong);
  if (!linear.scheme.is_symmetric()) {
    PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_zero_point"], PackDown(linear.zero_point.t(), bits));
  }
  return tensors;
}

absl::StatusOr<NamedTensors> EncodeGptq(const QuantizedLinear& linear, const std::string& module,
                                        const LinearStorage& storage) {
  const int bits = linear.scheme.bits;
  const bool is_v1 = storage.layout == CodeLayout::kGptqV1;
  if (is_v1 && !linear.scheme.is_symmetric()) {
    return CannotExpress(module, "has zero points, which readers of GPTQ v1 do not agree about; write gptq_v2");
  }
  NamedTensors tensors;
  PIVOT_ASSIGN_OR_RETURN(tensors[module + ".qweight"], PackDown(linear.codes, bits));
  const at::Tensor zero_point =
      linear.zero_point.defined() ? linear.zero_point : at::zeros(linear.scale.sizes(), linear.codes.options());
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zeros,
                         PackCodes(ShiftedZeroPoint(zero_point, bits, is_v1 ? -1 : 0).t().contiguous(), bits));
  tensors[module + ".qzeros"] = zeros.to(at::kCPU).contiguous();
  PIVOT_ASSIGN_OR_RETURN(tensors[module + ".scales"], ScaleAs(linear.scale.t().contiguous(), at::kHalf, module));
  const at::Tensor in_order =
      at::floor_divide(at::arange(linear.codes.size(1), at::kLong), linear.codes.size(1) / linear.scale.size(1));
  const at::Tensor groups = linear.group_of_column.defined() ? linear.group_of_column.to(at::kCPU) : in_order;
  tensors[module + ".g_idx"] = groups.to(at::kInt);
  return tensors;
}

/// A tensor that must be there.
absl::StatusOr<at::Tensor> Require(const TensorLookup& find, const std::string& name) {
  PIVOT_ASSIGN_OR_RETURN(at::Tensor tensor, find(name));
  if (tensor.defined()) return tensor;
  return WithReason(absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is missing")), "MALFORMED_WEIGHTS");
}

absl::StatusOr<QuantizedLinear> DecodePackQuantized(const TensorLookup& find, const std::string& module,
                                                    LinearShape shape, const WeightScheme& scheme) {
  QuantizedLinear linear{.scheme = scheme};
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, Require(find, module + ".weight_packed"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor scale, Require(find, module + ".weight_scale"));
  PIVOT_ASSIGN_OR_RETURN(linear.codes, UnpackCodes(words, shape.in_features, scheme.bits));
  linear.scale = scale.to(at::kFloat);
  if (scheme.is_symmetric()) return linear;
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zero_words, Require(find, module + ".weight_zero_point"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zeros,
                         UnpackCodes(zero_words.t().contiguous(), shape.out_features, scheme.bits));
  linear.zero_point = zeros.t().contiguous();
  return linear;
}

/// An undefined tensor when neighbouring columns share a group.
absl::StatusOr<at::Tensor> GroupOfColumn(const TensorLookup& find, const std::string& module, LinearShape shape,
                                         int64_t group_size) {
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor index, find(module + ".g_idx"));
  if (!index.defined()) return at::Tensor();
  at::Tensor groups = index.to(at::kLong);
  const at::Tensor in_order = at::floor_divide(at::arange(shape.in_features, at::kLong), group_size);
  if (at::equal(groups, in_order)) return at::Tensor();
  const bool is_inside =
      groups.min().item<int64_t>() >= 0 && groups.max().item<int64_t>() <= in_order.max().item<int64_t>();
  if (is_inside) return groups;
  return WithReason(absl::InvalidArgumentError(absl::StrCat(module, ".g_idx names groups that are not there")),
                    "MALFORMED_WEIGHTS");
}

absl::StatusOr<QuantizedLinear> DecodeGptq(const TensorLookup& find, const std::string& module, LinearShape shape,
                                           const LinearStorage& storage) {
  const WeightScheme& scheme = storage.scheme;
  QuantizedLinear linear{.scheme = scheme};
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, Require(find, module + ".qweight"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zero_words, Require(find, module + ".qzeros"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor scales, Require(find, module + ".scales"));
  PIVOT_ASSIGN_OR_RETURN(linear.codes, UnpackCodes(words.t().contiguous(), shape.in_features, scheme.bits));
  linear.scale = scales.t().to(at::kFloat).contiguous();
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor fields, UnpackCodes(zero_words, shape.out_features, scheme.bits));
  const int step = storage.layout == CodeLayout::kGptqV1 ? 1 : 0;
  linear.zero_point = ShiftedZeroPoint(fields, scheme.bits, step).t().contiguous();
  // Files say which zero points they have, whatever the configuration says.
  const bool has_zero_points = at::any(linear.zero_point).item<bool>();
  linear.scheme.symmetry = has_zero_points ? Symmetry::kAsymmetric : Symmetry::kSymmetric;
  if (!has_zero_points) linear.zero_point = at::Tensor();
  PIVOT_ASSIGN_OR_RETURN(linear.group_of_column, GroupOfColumn(find, module, shape, scheme.group_size));
  return linear;
}

absl::StatusOr<QuantizedLinear> DecodeGguf(const TensorLookup& find, const std::string& module,
                                           const WeightScheme& scheme) {
  const auto type = BlockTypeOf(scheme);
  if (!type.has_value()) return absl::InternalError(absl::StrCat(module, " has a scheme that no blocks have"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor bytes, Require(find, absl::StrCat(module, kGgufBlocks)));
  return DecodeBlocks(bytes, *type);
}

}  // namespace

absl::StatusOr<NamedTensors> EncodeLinear(const QuantizedLinear& linear, absl::string_view module,
                                          const LinearStorage& storage) {
  const std::string name(module);
  if (storage.layout == CodeLayout::kPlainBf16)
    return NamedTensors{{name + ".weight", Dequantize(linear).to(at::kBFloat16).to(at::kCPU).contiguous()}};
  PIVOT_ASSIGN_OR_RETURN(const QuantizedLinear plain, WithoutOffset(linear, name));
  return storage.is_gptq() ? EncodeGptq(plain, name, storage) : EncodePackQuantized(plain, name, storage);
}

absl::StatusOr<QuantizedLinear> DecodeLinear(const TensorLookup& find, absl::string_view module, LinearShape shape,
                                             const LinearStorage& storage) {
  const std::string name(module);
  if (storage.layout == CodeLayout::kGguf) return DecodeGguf(find, name, storage.scheme);
  return storage.is_gptq() ? DecodeGptq(find, name, shape, storage)
                           : DecodePackQuantized(find, name, shape, storage.scheme);
}

}  // namespace pivot
