// SPDX-License-Identifier: Apache-2.0
#include "engine/format/linear_storage.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

#include "engine/model/gguf/gguf_model.h"
#include "engine/model/model_shapes.h"

namespace pivot {
namespace {

constexpr std::array<absl::string_view, 14> kSuffixes = {".weight_packed",
                                                         ".weight_scale",
                                                         ".weight_scale_inv",
                                                         ".weight_shape",
                                                         ".weight_zero_point",
                                                         ".weight_global_scale",
                                                         ".input_scale",
                                                         ".input_zero_point",
                                                         ".input_global_scale",  // of activations
                                                         ".qweight",
                                                         ".qzeros",
                                                         ".scales",
                                                         ".g_idx",
                                                         kGgufBlocks};

// Positions are those of CodeLayout.
constexpr std::array<absl::string_view, 6> kFormatNames = {"compressed_tensors", "gptq", "gptq_v2", "bf16",
                                                           "mixed_gptq",         "gguf"};

constexpr auto kBlockTypes =
    std::to_array<GgmlType>({GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kQ5_1, GgmlType::kQ8_0,
                             GgmlType::kQ2_K, GgmlType::kQ3_K, GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K});

constexpr int64_t CeilDivide(int64_t value, int64_t by) { return value / by + (value % by == 0 ? 0 : 1); }

std::vector<TensorSpec> Float8Tensors(absl::string_view module, LinearShape shape, const LinearStorage& storage) {
  const WeightScheme& scheme = storage.scheme;
  std::vector<int64_t> scales = {1};
  if (scheme.row_group != 0)
    scales = {CeilDivide(shape.out_features, scheme.row_group), CeilDivide(shape.in_features, scheme.group_size)};
  return {{absl::StrCat(module, ".weight"), Dtype::kFloat8E4M3, {shape.out_features, shape.in_features}},
          {ScaleTensorName(module, storage), storage.scale_dtype, scales}};
}

std::vector<TensorSpec> Float4Tensors(absl::string_view module, LinearShape shape, const WeightScheme& scheme) {
  const bool is_nvfp4 = scheme.type == CodeType::kNvfp4;
  const int64_t groups = shape.in_features / scheme.group_size;
  std::vector<TensorSpec> tensors = {
      {absl::StrCat(module, ".weight_packed"), Dtype::kUint8, {shape.out_features, shape.in_features / 2}},
      {absl::StrCat(module, ".weight_scale"),
       is_nvfp4 ? Dtype::kFloat8E4M3 : Dtype::kUint8,
       {shape.out_features, groups}},
  };
  if (is_nvfp4) tensors.push_back({absl::StrCat(module, ".weight_global_scale"), Dtype::kFloat32, {1}});
  return tensors;
}

std::vector<TensorSpec> PackQuantizedTensors(absl::string_view module, LinearShape shape,
                                             const LinearStorage& storage) {
  const WeightScheme& scheme = storage.scheme;
  if (scheme.type == CodeType::kFloat8) return Float8Tensors(module, shape, storage);
  if (scheme.is_float4()) return Float4Tensors(module, shape, scheme);
  const int64_t groups = shape.in_features / scheme.group_size;
  std::vector<TensorSpec> tensors = {
      {absl::StrCat(module, ".weight_packed"),
       Dtype::kInt32,
       {shape.out_features, PackedWords(shape.in_features, scheme.bits)}},
      {absl::StrCat(module, ".weight_scale"), storage.scale_dtype, {shape.out_features, groups}},
      {absl::StrCat(module, ".weight_shape"), Dtype::kInt64, {2}},
  };
  if (!scheme.is_symmetric()) {
    tensors.push_back({absl::StrCat(module, ".weight_zero_point"),
                       Dtype::kInt32,
                       {PackedWords(shape.out_features, scheme.bits), groups}});
  }
  return tensors;
}

std::vector<TensorSpec> GptqTensors(absl::string_view module, LinearShape shape, const WeightScheme& scheme) {
  const int64_t groups = shape.in_features / scheme.group_size;
  return {
      {absl::StrCat(module, ".qweight"),
       Dtype::kInt32,
       {PackedWords(shape.in_features, scheme.bits), shape.out_features}},
      {absl::StrCat(module, ".qzeros"), Dtype::kInt32, {groups, PackedWords(shape.out_features, scheme.bits)}},
      {absl::StrCat(module, ".scales"), Dtype::kFloat16, {groups, shape.out_features}},
      {absl::StrCat(module, ".g_idx"), Dtype::kInt32, {shape.in_features}},
  };
}

std::vector<TensorSpec> GgufTensors(absl::string_view module, LinearShape shape, const WeightScheme& scheme) {
  const GgmlType type = BlockTypeOf(scheme).value_or(GgmlType::kQ8_0);
  return {
      {absl::StrCat(module, kGgufBlocks), Dtype::kUint8, {shape.out_features, GgmlRowBytes(type, shape.in_features)}}};
}

}  // namespace

std::optional<GgmlType> BlockTypeOf(const WeightScheme& scheme) {
  for (const GgmlType type : kBlockTypes) {
    if (SchemeOf(type) == scheme) return type;
  }
  return std::nullopt;
}

std::optional<WeightScheme> SchemeOf(GgmlType type) {
  if (!IsBlockType(type)) return std::nullopt;
  const int64_t columns = BlockOf(type).columns;
  return WeightScheme{.bits = CodeBits(type),
                      .group_size = ScaleColumns(type),
                      .symmetry = HasOffsets(type) ? Symmetry::kAsymmetric : Symmetry::kSymmetric,
                      .super_group = columns > ScaleColumns(type) ? columns : 0};
}

std::vector<TensorSpec> StoredTensors(absl::string_view module, LinearShape shape, const LinearStorage& storage) {
  if (storage.layout == CodeLayout::kPlainBf16)
    return {{absl::StrCat(module, ".weight"), Dtype::kBfloat16, {shape.out_features, shape.in_features}}};
  if (storage.layout == CodeLayout::kGguf) return GgufTensors(module, shape, storage.scheme);
  LinearStorage resolved = storage;
  resolved.scheme = storage.scheme.ForRow(shape.in_features);
  return storage.is_gptq() ? GptqTensors(module, shape, resolved.scheme)
                           : PackQuantizedTensors(module, shape, resolved);
}

std::string ScaleTensorName(absl::string_view module, const LinearStorage& storage) {
  const bool is_inverse = storage.float8_scale_name == Float8ScaleName::kWeightScaleInv;
  return absl::StrCat(module, is_inverse ? ".weight_scale_inv" : ".weight_scale");
}

absl::Span<const absl::string_view> StoredTensorSuffixes() { return kSuffixes; }

int64_t StoredBytes(LinearShape shape, const LinearStorage& storage) {
  int64_t bits = 0;
  for (const TensorSpec& tensor : StoredTensors("", shape, storage)) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    bits += elements * DtypeBits(tensor.dtype);
  }
  return bits / 8;
}

double BitsPerWeight(LinearShape shape, const LinearStorage& storage) {
  const int64_t weights = shape.out_features * shape.in_features;
  // What weight_shape takes says nothing about a weight.
  const bool has_shape = storage.layout == CodeLayout::kPackQuantized && storage.scheme.is_integer();
  const int64_t apart = has_shape ? 2 * int64_t{sizeof(int64_t)} : 0;
  return 8.0 * static_cast<double>(StoredBytes(shape, storage) - apart) / static_cast<double>(weights);
}

absl::string_view FormatName(CodeLayout layout) { return kFormatNames[static_cast<size_t>(layout)]; }

std::optional<CodeLayout> FindFormat(absl::string_view name) {
  const auto found = std::find(kFormatNames.begin(), kFormatNames.end(), name);
  if (found == kFormatNames.end()) return std::nullopt;
  return static_cast<CodeLayout>(found - kFormatNames.begin());
}

}  // namespace pivot
