// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_BF16_STRIP_H_
#define PIVOT_KERNELS_BF16_STRIP_H_

// The one step that products of bf16 are made of here, for processors with AVX512_BF16.

#include <cassert>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define PIVOT_AVX512_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#else
#define PIVOT_AVX512_BF16
#endif

namespace pivot {

inline constexpr int64_t kStripRows = 4;  // with kStripColumns 16 accumulators
inline constexpr int64_t kStripColumns = 64;

inline bool HasBf16Products() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
#else
  return false;
#endif
}

/// The left side of a strip: four rows of pairs of values.
struct StripRows {
  const uint16_t* data;
  int64_t row_stride;   // elements from a row to the next
  int64_t pair_stride;  // elements from a pair to the next
};

/// c[4, 64] = rows[4, 2 * pairs] * tile, the tile being [pairs][64 columns][2]. Sums in fp32. Needs HasBf16Products().
PIVOT_AVX512_BF16 inline void MultiplyStrip(const StripRows& rows, const uint16_t* tile, int64_t pairs, float* c,
                                            int64_t c_stride) {
#if defined(__x86_64__)
  __m512 sum[kStripRows][4];
  for (auto& row : sum) {
    for (__m512& value : row) value = _mm512_setzero_ps();
  }
  for (int64_t pair = 0; pair < pairs; ++pair) {
    __m512bh columns[4];
    for (int64_t i = 0; i < 4; ++i)
      columns[i] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(tile + pair * kStripColumns * 2 + i * 32));
    for (int64_t row = 0; row < kStripRows; ++row) {
      int32_t both = 0;
      std::memcpy(&both, rows.data + row * rows.row_stride + pair * rows.pair_stride, sizeof(both));
      const auto broadcast = reinterpret_cast<__m512bh>(_mm512_set1_epi32(both));
      for (int64_t i = 0; i < 4; ++i) sum[row][i] = _mm512_dpbf16_ps(sum[row][i], broadcast, columns[i]);
    }
  }
  for (int64_t row = 0; row < kStripRows; ++row) {
    for (int64_t i = 0; i < 4; ++i) _mm512_storeu_ps(c + row * c_stride + i * 16, sum[row][i]);
  }
#else
  static_cast<void>(rows), static_cast<void>(tile), static_cast<void>(pairs), static_cast<void>(c),
      static_cast<void>(c_stride);
  assert(false);
#endif
}

}  // namespace pivot

#endif  // PIVOT_KERNELS_BF16_STRIP_H_
