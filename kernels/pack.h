// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_PACK_H_
#define PIVOT_KERNELS_PACK_H_

// Codes of 2 to 8 bits packed into 32-bit words along each row.
//
// Code k of a row takes bits [k*bits, (k+1)*bits) of the row's little-endian bit stream; 32 codes fill `bits` words,
// bits behind the last code are zero. Four-bit codes in one word:
//
//   bit 31            bit 0
//    u7 u6 u5 u4 u3 u2 u1 u0
//
// The same rule gives GPTQ's 2-, 3-, 4- and 8-bit words and compressed-tensors' (0.18 and later) of every width.

#include <cstdint>

namespace pivot {

/// Words of a row of `columns` codes.
constexpr int64_t PackedRowWords(int64_t columns, int bits) { return (columns * bits + 31) / 32; }
static_assert(PackedRowWords(32, 3) == 3 && PackedRowWords(33, 3) == 4 && PackedRowWords(8, 4) == 1);

/// Requires 1 <= bits <= 8 and every code < 2^bits.
void PackRows(const uint8_t* codes,  // [rows, columns] u8, row-major
              int64_t rows, int64_t columns, int bits,
              uint32_t* words);  // [rows, PackedRowWords] u32, row-major

void UnpackRows(const uint32_t* words,  // [rows, PackedRowWords] u32, row-major
                int64_t rows, int64_t columns, int bits,
                uint8_t* codes);  // [rows, columns] u8, row-major

}  // namespace pivot

#endif  // PIVOT_KERNELS_PACK_H_
