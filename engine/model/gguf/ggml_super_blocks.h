// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_GGUF_GGML_SUPER_BLOCKS_H_
#define PIVOT_ENGINE_MODEL_GGUF_GGML_SUPER_BLOCKS_H_

// Blocks of 256 columns whose groups have small scales of their own, ggml's K types. Columns are taken in quarters of
// 32 of each half of 128; d and m are binary16, multiplied by a group's small integers in fp32.
//
//   type  bytes  a block                                                                        weight of a column
//   Q2_K     84  16 of low 4 bits s, high 4 bits t; 64 of 2 bits; d; m                          d * s * u - m * t
//   Q3_K    110  32 of high bits; 64 of 2 bits; 12 that hold 16 of 6 bits s; d                  d * (s - 32) * (u - 4)
//   Q4_K    144  d; m; 12 that hold 8 of 6 bits s and t; 128 of 4 bits                          d * s * u - m * t
//   Q5_K    176  d; m; the same 12; 32 of high bits; 128 of 4 bits                              d * s * u - m * t
//   Q6_K    210  128 of low 4 bits; 64 of high 2 bits; 16 signed bytes s; d                     d * s * (u - 32)
//
// Source: ggml-common.h and ggml-quants.c of ggml-org/llama.cpp.

#include <cstdint>

#include "engine/model/gguf/ggml_type.h"

namespace pivot {

inline constexpr int64_t kSuperBlockColumns = 256;

/// Where one block's numbers go; see GgmlRow.
struct SuperBlockNumbers {
  int8_t* codes = nullptr;   // [256]
  float* scales = nullptr;   // [256 / ScaleColumns]
  float* offsets = nullptr;  // the same, of types with offsets
};

/// `bytes` holds a whole block of a K type.
void UnpackSuperBlock(GgmlType type, const char* bytes, const SuperBlockNumbers& numbers);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_GGUF_GGML_SUPER_BLOCKS_H_
