// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_
#define PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_

// How the codes of one linear layer are stored.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"

namespace pivot {

inline constexpr int kMinBits = 2;
inline constexpr int kMaxBits = 8;

/// Symmetric integers: w = scale * q with q in [-2^(bits-1), 2^(bits-1) - 1], one bf16 scale for each row and group of
/// columns.
struct WeightScheme {
  int bits = 4;
  int64_t group_size = 128;  // input columns

  friend bool operator==(const WeightScheme&, const WeightScheme&) = default;
};

/// 32-bit words that a row of `in_features` codes takes.
constexpr int64_t PackedWords(int64_t in_features, int bits) { return (in_features * bits + 31) / 32; }
static_assert(PackedWords(576, 4) == 72 && PackedWords(576, 3) == 54 && PackedWords(33, 3) == 4);

/// The tensors that stand for `module`.weight in a pack-quantized file: NAME.weight_packed, NAME.weight_scale,
/// NAME.weight_shape.
std::vector<TensorSpec> PackedTensors(absl::string_view module, LinearShape shape, const WeightScheme& scheme);

/// Bytes of these tensors.
int64_t PackedBytes(LinearShape shape, const WeightScheme& scheme);

/// Bits for each weight: codes with their padding, and scales.
double BitsPerWeight(LinearShape shape, const WeightScheme& scheme);

/// The largest of 128, 64 and 32 that divides every one of `in_features`, or 0.
int64_t AutomaticGroupSize(absl::Span<const int64_t> in_features);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_WEIGHT_SCHEME_H_
