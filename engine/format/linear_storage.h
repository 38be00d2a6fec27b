// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_LINEAR_STORAGE_H_
#define PIVOT_ENGINE_FORMAT_LINEAR_STORAGE_H_

// How the codes of one linear layer lie in files. docs/format.md describes each layout.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "engine/format/weight_scheme.h"
#include "engine/model/gguf/ggml_type.h"
#include "engine/model/model_config.h"
#include "engine/model/model_shapes.h"
#include "engine/model/safetensors.h"

namespace pivot {

enum class CodeLayout {
  kPackQuantized,  // compressed-tensors: NAME.weight_packed or .weight, .weight_scale, and what the type of codes needs
  kGptqV1,         // GPTQ: NAME.qweight, .qzeros (each field is the zero point less 1), .scales, .g_idx
  kGptqV2,         // the same with the zero point itself in qzeros
  kPlainBf16,      // NAME.weight, dequantized and rounded to bf16; only written, never what a configuration says
  kMixedGptq,      // GPTQ v1 with OneComp's configuration; only written: read back it is kGptqV1
  kGguf,           // llama.cpp's blocks (engine/model/gguf/ggml_type.h): NAME.weight_gguf; its scheme tells the type
};

constexpr bool IsGptqLayout(CodeLayout layout) {
  return layout == CodeLayout::kGptqV1 || layout == CodeLayout::kGptqV2 || layout == CodeLayout::kMixedGptq;
}

/// What the scales of FP8 are called: NAME.weight_scale, or, in models that come in FP8 by themselves,
/// weight_scale_inv.
enum class Float8ScaleName { kWeightScale, kWeightScaleInv };

struct LinearStorage {
  CodeLayout layout = CodeLayout::kPackQuantized;
  WeightScheme scheme;
  Dtype scale_dtype = Dtype::kBfloat16;  // of compressed-tensors; GPTQ's are F16
  Float8ScaleName float8_scale_name = Float8ScaleName::kWeightScale;

  bool is_gptq() const { return IsGptqLayout(layout); }

  friend bool operator==(const LinearStorage&, const LinearStorage&) = default;
};

/// "compressed_tensors", "gptq", "gptq_v2", "bf16", "mixed_gptq", "gguf": values of pivot.v1.Format in JSON.
absl::string_view FormatName(CodeLayout layout);
/// Nothing when no format is called so.
std::optional<CodeLayout> FindFormat(absl::string_view name);

/// The type of blocks that holds just this scheme, and back: Q4_0, Q4_1 (4 bits, asymmetric), Q6_K (groups of 16 in
/// super-groups of 256). Nothing for other schemes, and for types of floating point.
std::optional<GgmlType> BlockTypeOf(const WeightScheme& scheme);
std::optional<WeightScheme> SchemeOf(GgmlType type);

/// 32-bit words that `count` codes take.
constexpr int64_t PackedWords(int64_t count, int bits) { return (count * bits + 31) / 32; }
static_assert(PackedWords(576, 4) == 72 && PackedWords(576, 3) == 54 && PackedWords(33, 3) == 4);

/// The tensors that stand for `module`.weight.
std::vector<TensorSpec> StoredTensors(absl::string_view module, LinearShape shape, const LinearStorage& storage);

/// "NAME.weight_scale", whatever it is called in this storage; of compressed-tensors.
std::string ScaleTensorName(absl::string_view module, const LinearStorage& storage);

/// The ends of the names of such tensors, in any layout: ".weight_packed", ".qweight"...
absl::Span<const absl::string_view> StoredTensorSuffixes();

/// Bytes of these tensors.
int64_t StoredBytes(LinearShape shape, const LinearStorage& storage);

/// Bits for each weight: codes with their padding, scales, zero points and indices of groups.
double BitsPerWeight(LinearShape shape, const LinearStorage& storage);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_LINEAR_STORAGE_H_
