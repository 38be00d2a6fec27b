// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/linear_tensors.h"

#include <ATen/ATen.h>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

#include "engine/checkpoint/float_tensors.h"
#include "engine/checkpoint/gguf_linear.h"
#include "engine/model/gguf/gguf_model.h"
#include "engine/model/model_shapes.h"
#include "engine/ops/kernel_calls.h"
#include "engine/ops/to_host.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

/// Adds `step` to each zero point modulo 2^bits: GPTQ v1 stores them less 1.
at::Tensor ShiftedZeroPoint(const at::Tensor& zero_point, int bits, int step) {
  const int half = 1 << (bits - 1);
  return ((zero_point.to(at::kShort) + (half + step)).bitwise_and((1 << bits) - 1) - half).to(at::kChar);
}

/// Fields of `values` [rows, columns] packed along the rows, turned round: [words of a row, rows].
absl::StatusOr<at::Tensor> PackDown(const at::Tensor& values, int bits) {
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, PackCodes(values, bits));
  return words.t().to(at::kCPU).contiguous();
}

absl::StatusOr<NamedTensors> EncodePackQuantized(const PackedLinear& linear, const std::string& module,
                                                 const LinearStorage& storage) {
  const QuantizedLinear& grid = linear.grid;
  if (grid.group_of_column.defined()) {
    return CannotExpress(module,
                         "has columns in the order of their groups (desc_act), which compressed-tensors has not");
  }
  NamedTensors tensors;
  tensors[module + ".weight_packed"] = ToHost(linear.words.contiguous());
  PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_scale"],
                         ExactScale(grid.scale.contiguous(), storage.scale_dtype, module));
  tensors[module + ".weight_shape"] = at::tensor({linear.shape.out_features, linear.shape.in_features}, at::kLong);
  if (!grid.scheme.is_symmetric()) {
    PIVOT_ASSIGN_OR_RETURN(tensors[module + ".weight_zero_point"], PackDown(grid.zero_point.t(), grid.scheme.bits));
  }
  return tensors;
}

/// The zero points, 0 where the layer has none.
at::Tensor ZeroPointOf(const QuantizedLinear& grid) {
  if (grid.zero_point.defined()) return grid.zero_point;
  return at::zeros(grid.scale.sizes(), grid.scale.options().dtype(at::kChar));
}

absl::StatusOr<NamedTensors> EncodeGptq(const PackedLinear& linear, const std::string& module,
                                        const LinearStorage& storage) {
  const QuantizedLinear& grid = linear.grid;
  if (!grid.scheme.is_integer()) return CannotExpress(module, "has floating-point codes, which GPTQ has not");
  const int bits = grid.scheme.bits;
  const bool is_v1 = storage.layout != CodeLayout::kGptqV2;
  if (is_v1 && !grid.scheme.is_symmetric()) {
    return CannotExpress(module, "has zero points, which readers of GPTQ v1 do not agree about; write gptq_v2");
  }
  NamedTensors tensors;
  tensors[module + ".qweight"] = linear.words.to(at::kCPU).t().contiguous();
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zeros,
                         PackCodes(ShiftedZeroPoint(ZeroPointOf(grid), bits, is_v1 ? -1 : 0).t().contiguous(), bits));
  tensors[module + ".qzeros"] = zeros.to(at::kCPU).contiguous();
  PIVOT_ASSIGN_OR_RETURN(tensors[module + ".scales"], ExactScale(grid.scale.t().contiguous(), Dtype::kFloat16, module));
  const int64_t columns = linear.shape.in_features;
  const at::Tensor in_order = at::floor_divide(at::arange(columns, at::kLong), columns / grid.scale.size(1));
  const at::Tensor groups = grid.group_of_column.defined() ? grid.group_of_column.to(at::kCPU) : in_order;
  tensors[module + ".g_idx"] = groups.to(at::kInt);
  return tensors;
}

absl::StatusOr<PackedLinear> ReadPackQuantized(const TensorLookup& find, const std::string& module, LinearShape shape,
                                               const WeightScheme& scheme) {
  PackedLinear linear{.shape = shape, .grid = {.scheme = scheme}};
  PIVOT_ASSIGN_OR_RETURN(linear.words, RequireStored(find, module + ".weight_packed"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor scale, RequireStored(find, module + ".weight_scale"));
  linear.grid.scale = scale.to(at::kFloat);
  if (scheme.is_symmetric()) return linear;
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zero_words, RequireStored(find, module + ".weight_zero_point"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zeros,
                         UnpackCodes(zero_words.t().contiguous(), shape.out_features, scheme.bits));
  linear.grid.zero_point = zeros.t().contiguous();
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

absl::StatusOr<PackedLinear> ReadGptq(const TensorLookup& find, const std::string& module, LinearShape shape,
                                      const LinearStorage& storage) {
  const WeightScheme& scheme = storage.scheme;
  PackedLinear linear{.shape = shape, .grid = {.scheme = scheme}};
  QuantizedLinear& grid = linear.grid;
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor words, RequireStored(find, module + ".qweight"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor zero_words, RequireStored(find, module + ".qzeros"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor scales, RequireStored(find, module + ".scales"));
  linear.words = words.t();
  grid.scale = scales.t().to(at::kFloat).contiguous();
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor fields, UnpackCodes(zero_words, shape.out_features, scheme.bits));
  const int step = storage.layout == CodeLayout::kGptqV2 ? 0 : 1;
  grid.zero_point = ShiftedZeroPoint(fields, scheme.bits, step).t().contiguous();
  // Files say which zero points they have, whatever the configuration says.
  const bool has_zero_points = at::any(grid.zero_point).item<bool>();
  grid.scheme.symmetry = has_zero_points ? Symmetry::kAsymmetric : Symmetry::kSymmetric;
  if (!has_zero_points) grid.zero_point = at::Tensor();
  PIVOT_ASSIGN_OR_RETURN(grid.group_of_column, GroupOfColumn(find, module, shape, scheme.group_size));
  return linear;
}

absl::StatusOr<QuantizedLinear> DecodeGguf(const TensorLookup& find, const std::string& module,
                                           const WeightScheme& scheme) {
  const auto type = BlockTypeOf(scheme);
  if (!type.has_value()) return absl::InternalError(absl::StrCat(module, " has a scheme that no blocks have"));
  PIVOT_ASSIGN_OR_RETURN(const at::Tensor bytes, RequireStored(find, absl::StrCat(module, kGgufBlocks)));
  return DecodeBlocks(bytes, *type);
}

absl::StatusOr<PackedLinear> Pack(QuantizedLinear linear) {
  PackedLinear packed{.shape = {.out_features = linear.codes.size(0), .in_features = linear.codes.size(1)}};
  if (linear.scheme.is_integer()) {
    PIVOT_ASSIGN_OR_RETURN(packed.words, PackCodes(linear.codes, linear.scheme.bits));
  } else {
    packed.words = PackFloatCodes(linear.codes, linear.scheme.type);
  }
  packed.grid = std::move(linear);
  return packed;
}

/// Other formats have no room for an offset: it becomes zero points where it can.
absl::StatusOr<PackedLinear> ReadGguf(const TensorLookup& find, const std::string& module, const WeightScheme& scheme) {
  PIVOT_ASSIGN_OR_RETURN(const QuantizedLinear linear, DecodeGguf(find, module, scheme));
  PIVOT_ASSIGN_OR_RETURN(QuantizedLinear plain, WithoutOffset(linear, module));
  return Pack(std::move(plain));
}

/// Of contiguous tensors.
bool HaveSameBytes(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

/// Of tensors that may both be undefined.
bool AreEqualOrAbsent(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || at::equal(a, b));
}

bool HaveSameWords(const at::Tensor& a, const at::Tensor& b) {
  // Two views that are turned round need not be turned back.
  if (a.t().is_contiguous() && b.t().is_contiguous()) return HaveSameBytes(a.t(), b.t());
  return HaveSameBytes(a.contiguous(), b.contiguous());
}

}  // namespace

absl::StatusOr<PackedLinear> ReadPacked(const TensorLookup& find, absl::string_view module, LinearShape shape,
                                        const LinearStorage& storage) {
  const std::string name(module);
  if (storage.layout == CodeLayout::kGguf) return ReadGguf(find, name, storage.scheme);
  if (storage.is_gptq()) return ReadGptq(find, name, shape, storage);
  return storage.scheme.is_integer() ? ReadPackQuantized(find, name, shape, storage.scheme)
                                     : ReadFloatTensors(find, name, shape, storage);
}

absl::StatusOr<NamedTensors> EncodePacked(const PackedLinear& linear, absl::string_view module,
                                          const LinearStorage& storage) {
  const std::string name(module);
  if (storage.is_gptq()) return EncodeGptq(linear, name, storage);
  return linear.grid.scheme.is_integer() ? EncodePackQuantized(linear, name, storage)
                                         : EncodeFloatTensors(linear, name, storage);
}

bool HoldSameCodes(const PackedLinear& a, const PackedLinear& b) {
  return a.grid.scheme.bits == b.grid.scheme.bits && a.grid.scheme.type == b.grid.scheme.type &&
         AreEqualOrAbsent(a.grid.group_of_column, b.grid.group_of_column) &&
         AreEqualOrAbsent(a.grid.global_scale, b.grid.global_scale) && at::equal(a.grid.scale, b.grid.scale) &&
         at::equal(ZeroPointOf(a.grid), ZeroPointOf(b.grid)) && HaveSameWords(a.words, b.words);
}

absl::StatusOr<NamedTensors> EncodeLinear(const QuantizedLinear& linear, absl::string_view module,
                                          const LinearStorage& storage) {
  if (storage.layout == CodeLayout::kPlainBf16) {
    const at::Tensor weight = Dequantize(linear).to(at::kBFloat16).to(at::kCPU).contiguous();
    if (at::isinf(weight).any().item<bool>()) return CannotExpress(module, "has weights that are too large for bf16");
    return NamedTensors{{absl::StrCat(module, ".weight"), weight}};
  }
  PIVOT_ASSIGN_OR_RETURN(QuantizedLinear plain, WithoutOffset(linear, module));
  PIVOT_ASSIGN_OR_RETURN(const PackedLinear packed, Pack(std::move(plain)));
  return EncodePacked(packed, module, storage);
}

absl::StatusOr<QuantizedLinear> DecodeLinear(const TensorLookup& find, absl::string_view module, LinearShape shape,
                                             const LinearStorage& storage) {
  if (storage.layout == CodeLayout::kGguf) return DecodeGguf(find, std::string(module), storage.scheme);
  PIVOT_ASSIGN_OR_RETURN(PackedLinear packed, ReadPacked(find, module, shape, storage));
  if (!storage.scheme.is_integer()) {
    packed.grid.codes = UnpackFloatCodes(packed.words, storage.scheme.type);
    return std::move(packed.grid);
  }
  PIVOT_ASSIGN_OR_RETURN(packed.grid.codes,
                         UnpackCodes(packed.words.contiguous(), shape.in_features, storage.scheme.bits));
  return std::move(packed.grid);
}

}  // namespace pivot
