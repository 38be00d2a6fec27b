// SPDX-License-Identifier: Apache-2.0
#include "engine/checkpoint/gguf_linear.h"

#include <ATen/ATen.h>
#include <string>

#include "absl/strings/str_cat.h"

#include "engine/format/linear_storage.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int64_t kBlockColumns = 32;
constexpr int kQ4Zero = 8;

absl::Status CannotExpress(absl::string_view module, absl::string_view problem) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(module, " ", problem)), "FORMAT_CANNOT_EXPRESS");
}

/// Numbers of the blocks that a type has: w = scales * codes + offsets, with Q4_1's codes counted from -8.
struct BlockNumbers {
  at::Tensor codes;    // [out, in] int8
  at::Tensor scales;   // [out, in/32] fp32
  at::Tensor offsets;  // the same, of Q4_1
};

absl::StatusOr<BlockNumbers> NumbersOf(const QuantizedLinear& linear, absl::string_view module, GgmlType type) {
  const int64_t groups = linear.scale.size(1);
  const int64_t group_size = linear.codes.size(1) / groups;
  if (linear.group_of_column.defined())
    return CannotExpress(module, "has columns in the order of their groups (desc_act), which GGUF has not");
  if (group_size % kBlockColumns != 0)
    return CannotExpress(module, absl::StrCat("has groups of ", group_size, " columns; blocks of GGUF have 32"));
  BlockNumbers numbers{.codes = linear.codes.contiguous()};
  numbers.scales = linear.scale.repeat_interleave(group_size / kBlockColumns, 1).contiguous();
  if (type == GgmlType::kQ4_1) {
    const at::Tensor zero =
        linear.zero_point.defined() ? linear.zero_point.to(at::kFloat) : at::zeros_like(linear.scale);
    at::Tensor offset = linear.scale * (zero + kQ4Zero);
    offset = linear.offset.defined() ? linear.offset - offset : offset.neg();
    numbers.offsets = offset.repeat_interleave(group_size / kBlockColumns, 1).contiguous();
    return numbers;
  }
  if (linear.offset.defined()) return CannotExpress(module, "has an offset for each scale, which only Q4_1 has");
  if (linear.zero_point.defined()) {
    const at::Tensor wide = linear.codes.to(at::kShort).view({linear.codes.size(0), groups, group_size}) -
                            linear.zero_point.to(at::kShort).unsqueeze(-1);
    if (wide.abs().max().item<int>() > 127)
      return CannotExpress(module, "has codes that lie more than 127 from their zero point");
    numbers.codes = wide.to(at::kChar).view(linear.codes.sizes()).contiguous();
  }
  return numbers;
}

absl::Span<float> RowOf(const at::Tensor& tensor, int64_t row) {
  if (!tensor.defined()) return {};
  const auto columns = static_cast<size_t>(tensor.size(1));
  return {tensor.data_ptr<float>() + static_cast<size_t>(row) * columns, columns};
}

GgmlRow RowOf(const BlockNumbers& numbers, int64_t row) {
  const auto columns = static_cast<size_t>(numbers.codes.size(1));
  return {.codes = {numbers.codes.data_ptr<int8_t>() + static_cast<size_t>(row) * columns, columns},
          .scales = RowOf(numbers.scales, row),
          .offsets = RowOf(numbers.offsets, row)};
}

}  // namespace

absl::StatusOr<at::Tensor> EncodeBlocks(const QuantizedLinear& linear, absl::string_view module, GgmlType type) {
  PIVOT_ASSIGN_OR_RETURN(const BlockNumbers numbers, NumbersOf(linear, module, type));
  const int64_t limit = type == GgmlType::kQ8_0 ? 128 : kQ4Zero;
  if (numbers.codes.min().item<int64_t>() < -limit || numbers.codes.max().item<int64_t>() >= limit)
    return CannotExpress(module, absl::StrCat("has codes that ", GgmlTypeName(type), " has not"));
  const int64_t rows = numbers.codes.size(0);
  const int64_t row_bytes = GgmlRowBytes(type, numbers.codes.size(1));
  at::Tensor bytes = at::empty({rows, row_bytes}, at::kByte);
  for (int64_t row = 0; row < rows; ++row) {
    const auto packed = PackGgmlRow(type, RowOf(numbers, row));
    if (!packed.has_value()) {
      return CannotExpress(module, absl::StrCat("has scales or offsets that are not exact in ", GgmlTypeName(type),
                                                "'s 16-bit numbers"));
    }
    packed->copy(static_cast<char*>(bytes.data_ptr()) + row * row_bytes, packed->size());
  }
  return bytes;
}

QuantizedLinear DecodeBlocks(const at::Tensor& bytes, GgmlType type) {
  const at::Tensor rows = bytes.contiguous();
  const GgmlBlock block = BlockOf(type);
  const int64_t columns = rows.size(1) / block.bytes * block.columns;
  const int64_t groups = columns / ScaleColumns(type);
  BlockNumbers numbers{.codes = at::empty({rows.size(0), columns}, at::kChar),
                       .scales = at::empty({rows.size(0), groups}, at::kFloat)};
  if (HasOffsets(type)) numbers.offsets = at::empty_like(numbers.scales);
  const auto row_bytes = static_cast<size_t>(rows.size(1));
  const auto* data = static_cast<const char*>(rows.const_data_ptr());
  for (int64_t row = 0; row < rows.size(0); ++row)
    UnpackGgmlRow(type, {data + static_cast<size_t>(row) * row_bytes, row_bytes}, RowOf(numbers, row));
  QuantizedLinear linear{.codes = numbers.codes, .scale = numbers.scales};
  linear.scheme = SchemeOf(type).value_or(WeightScheme{});
  if (!HasOffsets(type)) return linear;
  linear.zero_point = at::full(numbers.scales.sizes(), -(1 << (CodeBits(type) - 1)), at::kChar);
  linear.offset = numbers.offsets;
  return linear;
}

absl::StatusOr<QuantizedLinear> WithoutOffset(const QuantizedLinear& linear, absl::string_view module) {
  if (!linear.offset.defined()) return linear;
  // offset = -scale * z; where the scale is zero so must the offset be, and any z does.
  const at::Tensor has_scale = linear.scale.ne(0);
  const at::Tensor quotient = at::where(has_scale, -linear.offset / linear.scale, at::zeros_like(linear.scale));
  const int half = 1 << (linear.scheme.bits - 1);
  const at::Tensor zero = quotient.round().clamp(0, 2 * half - 1);
  if (!at::equal(zero * linear.scale, -linear.offset)) {
    return CannotExpress(module,
                         "has offsets that are no multiples of their scales, and other formats only have those; "
                         "bf16 and gguf have room for them");
  }
  QuantizedLinear without = linear;
  without.offset = at::Tensor();
  without.zero_point = (zero - half).to(at::kChar);
  return without;
}

}  // namespace pivot
