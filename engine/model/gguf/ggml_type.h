// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGML_TYPE_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGML_TYPE_H_

// Element types of GGUF files, as ggml numbers them, and the blocks of the quantized ones.
//
//   type  columns  bytes  a block                                                             weight of a column
//   Q4_0       32     18  f16 d; 16 bytes, column j in the low bits of byte j, j + 16 in the high    d * (u - 8)
//   Q4_1       32     20  f16 d; f16 m; the same 16 bytes                                            d * u + m
//   Q5_0       32     22  f16 d; u32 of fifth bits; the same 16 bytes                                d * (u - 16)
//   Q5_1       32     24  f16 d; f16 m; u32 of fifth bits; the same 16 bytes                         d * u + m
//   Q8_0       32     34  f16 d; 32 signed bytes                                                     d * q
//
// Q2_K to Q6_K are described in ggml_super_blocks.h.
//
// Source: ggml-common.h and ggml-quants.c of ggml-org/llama.cpp.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

/// Those that are read.
enum class GgmlType : uint32_t {
  kFloat32 = 0,
  kFloat16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBfloat16 = 30,
};

/// "Q4_0", "F16".
absl::string_view GgmlTypeName(GgmlType type);
std::optional<GgmlType> FindGgmlType(uint32_t number);
std::optional<GgmlType> FindGgmlType(absl::string_view name);
/// Of types that are not read, too: "IQ4_NL"; "type 99" for one that nobody has heard of.
std::string GgmlTypeNameOf(uint32_t number);

/// Columns of a row that share a block, and its bytes.
struct GgmlBlock {
  int64_t columns = 1;
  int64_t bytes = 0;
};
GgmlBlock BlockOf(GgmlType type);
/// Bytes of a row whose columns are whole blocks.
int64_t GgmlRowBytes(GgmlType type, int64_t columns);

/// Whether the type has blocks of codes: not a floating-point type.
bool IsBlockType(GgmlType type);

/// "F32, F16, ... and Q6_K": those that are read.
std::string GgmlTypeNames();

/// Columns that share a scale: 32, of Q2_K, Q3_K and Q6_K 16.
int64_t ScaleColumns(GgmlType type);

/// Of a code: 2 to 8. For block types.
int CodeBits(GgmlType type);

/// Whether every group has an offset beside its scale: Q4_1, Q5_1, Q2_K, Q4_K, Q5_K.
bool HasOffsets(GgmlType type);

/// One row as numbers: w = scale * (code - zero) + offset. Of types with offsets zero is -2^(bits - 1), so that codes
/// count from there; of others it is 0, and offsets are not touched.
struct GgmlRow {
  absl::Span<int8_t> codes;   // [columns]
  absl::Span<float> scales;   // [columns / ScaleColumns]
  absl::Span<float> offsets;  // the same for types with offsets, may be empty for others
};
/// `bytes` must be as long as the row. For block types.
void UnpackGgmlRow(GgmlType type, absl::string_view bytes, const GgmlRow& row);

/// The bytes of a row of Q4_0, Q4_1 or Q8_0; nothing when a scale or offset is not exact in binary16. Codes must be in
/// the type's range.
std::optional<std::string> PackGgmlRow(GgmlType type, const GgmlRow& row);

/// Weights of a row of any type. What ggml's own dequantization gives, bit for bit.
void DequantizeGgmlRow(GgmlType type, absl::string_view bytes, absl::Span<float> weights);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGML_TYPE_H_
