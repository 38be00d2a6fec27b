// SPDX-License-Identifier: Apache-2.0
#include "kernels/launchers.cuh"
#include "kernels/pack.h"

namespace pivot {
namespace {

constexpr int kThreads = 256;

/// One thread makes one word: the codes that have a bit in it.
__global__ void PackRowsKernel(const uint8_t* __restrict__ codes,  // [rows, columns] u8
                               int64_t columns, int bits, int64_t row_words, int64_t total_words,
                               uint32_t* __restrict__ words) {  // [rows, row_words] u32
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= total_words) return;
  const int64_t row = index / row_words;
  const int64_t first_bit = index % row_words * 32;
  const uint8_t* in = codes + row * columns;
  uint32_t word = 0;
  for (int64_t column = first_bit / bits; column < columns && column * bits < first_bit + 32; ++column) {
    const auto shift = static_cast<int>(column * bits - first_bit);
    const uint32_t code = in[column];
    word |= shift >= 0 ? code << shift : code >> -shift;
  }
  words[index] = word;
}

}  // namespace

cudaError_t LaunchPackRows(const uint8_t* codes, int64_t rows, int64_t columns, int bits, uint32_t* words,
                           cudaStream_t stream) {
  const int64_t row_words = PackedRowWords(columns, bits);
  const int64_t total_words = rows * row_words;
  if (total_words == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((total_words + kThreads - 1) / kThreads);
  PackRowsKernel<<<blocks, kThreads, 0, stream>>>(codes, columns, bits, row_words, total_words, words);
  return cudaGetLastError();
}

}  // namespace pivot
