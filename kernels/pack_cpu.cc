// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "kernels/pack.h"

namespace pivot {
namespace {

// 32 codes fill as many words as a code has bits.
constexpr int kBlockCodes = 32;

/// With the width known, every shift is a constant: the loops below are unrolled.
template <int kBits>
struct Block {
  static void Pack(const uint8_t* codes, uint32_t* words) {
    std::array<uint32_t, kBits> packed{};
#pragma GCC unroll 32
    for (int k = 0; k < kBlockCodes; ++k) {
      const int word = k * kBits / 32;
      const int shift = k * kBits % 32;
      const uint32_t code = codes[k];
      packed[static_cast<size_t>(word)] |= code << shift;
      if (shift + kBits > 32) packed[static_cast<size_t>(word) + 1] |= code >> (32 - shift);
    }
    std::memcpy(words, packed.data(), sizeof(packed));
  }

  static void Unpack(const uint32_t* words, uint8_t* codes) {
    constexpr uint32_t kMask = (1U << kBits) - 1U;
    std::array<uint32_t, kBits> packed;
    std::memcpy(packed.data(), words, sizeof(packed));
#pragma GCC unroll 32
    for (int k = 0; k < kBlockCodes; ++k) {
      const int word = k * kBits / 32;
      const int shift = k * kBits % 32;
      uint32_t value = packed[static_cast<size_t>(word)] >> shift;
      if (shift + kBits > 32) value |= packed[static_cast<size_t>(word) + 1] << (32 - shift);
      codes[k] = static_cast<uint8_t>(value & kMask);
    }
  }
};

template <int kBits>
void PackRowsOf(const uint8_t* codes, int64_t rows, int64_t columns, uint32_t* words) {
  const int64_t whole = columns / kBlockCodes * kBlockCodes;
  const int64_t row_words = PackedRowWords(columns, kBits);
  for (int64_t row = 0; row < rows; ++row, codes += columns, words += row_words) {
    uint32_t* out = words;
    for (int64_t column = 0; column < whole; column += kBlockCodes, out += kBits)
      Block<kBits>::Pack(codes + column, out);
    if (whole == columns) continue;
    std::array<uint8_t, kBlockCodes> last{};
    std::array<uint32_t, kBits> last_words{};
    std::copy(codes + whole, codes + columns, last.begin());
    Block<kBits>::Pack(last.data(), last_words.data());
    std::copy(last_words.begin(), last_words.begin() + (words + row_words - out), out);
  }
}

template <int kBits>
void UnpackRowsOf(const uint32_t* words, int64_t rows, int64_t columns, uint8_t* codes) {
  const int64_t whole = columns / kBlockCodes * kBlockCodes;
  const int64_t row_words = PackedRowWords(columns, kBits);
  for (int64_t row = 0; row < rows; ++row, codes += columns, words += row_words) {
    const uint32_t* in = words;
    for (int64_t column = 0; column < whole; column += kBlockCodes, in += kBits)
      Block<kBits>::Unpack(in, codes + column);
    if (whole == columns) continue;
    std::array<uint32_t, kBits> last_words{};
    std::array<uint8_t, kBlockCodes> last{};
    std::copy(in, words + row_words, last_words.begin());
    Block<kBits>::Unpack(last_words.data(), last.data());
    std::copy(last.begin(), last.begin() + (columns - whole), codes + whole);
  }
}

/// Calls `body` with the width as a constant.
template <typename Body>
void WithWidth(int bits, Body body) {
  assert(bits >= 1 && bits <= 8);
  switch (bits) {
    case 1:
      return body.template operator()<1>();
    case 2:
      return body.template operator()<2>();
    case 3:
      return body.template operator()<3>();
    case 4:
      return body.template operator()<4>();
    case 5:
      return body.template operator()<5>();
    case 6:
      return body.template operator()<6>();
    case 7:
      return body.template operator()<7>();
    default:
      return body.template operator()<8>();
  }
}

}  // namespace

void PackRows(const uint8_t* codes, int64_t rows, int64_t columns, int bits, uint32_t* words) {
  WithWidth(bits, [&]<int kBits>() { PackRowsOf<kBits>(codes, rows, columns, words); });
}

void UnpackRows(const uint32_t* words, int64_t rows, int64_t columns, int bits, uint8_t* codes) {
  WithWidth(bits, [&]<int kBits>() { UnpackRowsOf<kBits>(words, rows, columns, codes); });
}

}  // namespace pivot
