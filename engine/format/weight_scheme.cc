// SPDX-License-Identifier: Apache-2.0
#include "engine/format/weight_scheme.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pivot {

std::vector<TensorSpec> PackedTensors(absl::string_view module, LinearShape shape, const WeightScheme& scheme) {
  return {
      {absl::StrCat(module, ".weight_packed"),
       Dtype::kInt32,
       {shape.out_features, PackedWords(shape.in_features, scheme.bits)}},
      {absl::StrCat(module, ".weight_scale"),
       Dtype::kBfloat16,
       {shape.out_features, shape.in_features / scheme.group_size}},
      {absl::StrCat(module, ".weight_shape"), Dtype::kInt64, {2}},
  };
}

int64_t PackedBytes(LinearShape shape, const WeightScheme& scheme) {
  const int64_t codes = shape.out_features * PackedWords(shape.in_features, scheme.bits) * 4;
  const int64_t scales = shape.out_features * (shape.in_features / scheme.group_size) * 2;
  const int64_t shape_bytes = 2 * int64_t{8};
  return codes + scales + shape_bytes;
}

double BitsPerWeight(LinearShape shape, const WeightScheme& scheme) {
  const int64_t groups = shape.in_features / scheme.group_size;
  const int64_t row_bits = 32 * PackedWords(shape.in_features, scheme.bits) + 16 * groups;
  return static_cast<double>(row_bits) / static_cast<double>(shape.in_features);
}

int64_t AutomaticGroupSize(absl::Span<const int64_t> in_features) {
  for (const int64_t size : {128, 64, 32}) {
    const bool divides =
        std::all_of(in_features.begin(), in_features.end(), [size](int64_t n) { return n % size == 0; });
    if (divides) return size;
  }
  return 0;
}

}  // namespace pivot
