// SPDX-License-Identifier: Apache-2.0
#include <cassert>
#include <cstring>

#include "kernels/pack.h"

namespace pivot {

void PackRows(const uint8_t* codes, int64_t rows, int64_t columns, int bits, uint32_t* words) {
  assert(bits >= 1 && bits <= 8);
  const int64_t row_words = PackedRowWords(columns, bits);
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t* in = codes + row * columns;
    uint32_t* out = words + row * row_words;
    uint64_t pending = 0;  // bits not yet written, the next one lowest
    int pending_bits = 0;
    for (int64_t column = 0; column < columns; ++column) {
      assert(in[column] < (1U << bits));
      pending |= static_cast<uint64_t>(in[column]) << pending_bits;
      pending_bits += bits;
      if (pending_bits >= 32) {
        *out++ = static_cast<uint32_t>(pending);
        pending >>= 32;
        pending_bits -= 32;
      }
    }
    if (pending_bits > 0) *out = static_cast<uint32_t>(pending);
  }
}

void UnpackRows(const uint32_t* words, int64_t rows, int64_t columns, int bits, uint8_t* codes) {
  assert(bits >= 1 && bits <= 8);
  const int64_t row_words = PackedRowWords(columns, bits);
  const auto mask = static_cast<uint32_t>((1U << bits) - 1U);
  for (int64_t row = 0; row < rows; ++row) {
    const uint32_t* in = words + row * row_words;
    uint8_t* out = codes + row * columns;
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t bit = column * bits;
      const int64_t word = bit / 32;
      const auto shift = static_cast<int>(bit % 32);
      uint32_t value = in[word] >> shift;
      if (shift + bits > 32) value |= in[word + 1] << (32 - shift);
      out[column] = static_cast<uint8_t>(value & mask);
    }
  }
}

}  // namespace pivot
