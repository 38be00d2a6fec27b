// SPDX-License-Identifier: Apache-2.0
#include "engine/model/gguf/ggml_super_blocks.h"

#include <cassert>
#include <cstddef>

#include "engine/model/gguf/half.h"

namespace pivot {
namespace {

constexpr size_t kQuarter = 32;
constexpr size_t kHalves = 2;
constexpr size_t kQuarters = 4;  // of a half
constexpr size_t kGroupsOf32 = 8;
constexpr size_t kGroupsOf16 = 16;

int Byte(const char* bytes, size_t index) { return static_cast<uint8_t>(bytes[index]); }

float Half(const char* bytes) { return FloatFromHalf(static_cast<uint16_t>(Byte(bytes, 0) | (Byte(bytes, 1) << 8))); }

/// Calls `code(half, quarter, l)` for every column and keeps what it gives.
template <typename CodeOf>
void FillCodes(int8_t* codes, const CodeOf& code) {
  for (size_t half = 0; half < kHalves; ++half) {
    for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
      for (size_t l = 0; l < kQuarter; ++l)
        codes[kQuarter * (kQuarters * half + quarter) + l] = static_cast<int8_t>(code(half, quarter, l));
    }
  }
}

/// The 2 bits of a column: each byte has those of the four quarters.
int TwoBits(const char* bytes, size_t half, size_t quarter, size_t l) {
  return (Byte(bytes, kQuarter * half + l) >> (2 * quarter)) & 3;
}

/// The 4 bits of a column where the quarters of a half come in pairs, the second in the high bits.
int PairedFourBits(const char* bytes, size_t half, size_t quarter, size_t l) {
  const int byte = Byte(bytes, kQuarter * (2 * half + quarter / 2) + l);
  return quarter % 2 == 0 ? byte & 0xF : byte >> 4;
}

void UnpackQ2K(const char* bytes, const SuperBlockNumbers& numbers) {
  const char* two = bytes + 16;
  const float d = Half(bytes + 80);
  const float m = Half(bytes + 82);
  for (size_t group = 0; group < kGroupsOf16; ++group) {
    numbers.scales[group] = d * static_cast<float>(Byte(bytes, group) & 0xF);
    numbers.offsets[group] = -(m * static_cast<float>(Byte(bytes, group) >> 4));
  }
  FillCodes(numbers.codes, [two](size_t half, size_t quarter, size_t l) { return TwoBits(two, half, quarter, l) - 2; });
}

void UnpackQ3K(const char* bytes, const SuperBlockNumbers& numbers) {
  const char* high = bytes;
  const char* two = bytes + 32;
  const char* packed = bytes + 96;
  const float d = Half(bytes + 108);
  // Scale s: its low 4 bits in a half of byte s or s - 8, its high 2 bits in byte 8 + s % 4.
  for (size_t s = 0; s < kGroupsOf16; ++s) {
    const int low = s < 8 ? Byte(packed, s) & 0xF : Byte(packed, s - 8) >> 4;
    const int upper = (Byte(packed, 8 + s % 4) >> (2 * (s / 4))) & 3;
    numbers.scales[s] = d * static_cast<float>((low | (upper << 4)) - 32);
  }
  FillCodes(numbers.codes, [high, two](size_t half, size_t quarter, size_t l) {
    const int third = (Byte(high, l) >> (kQuarters * half + quarter)) & 1;
    return TwoBits(two, half, quarter, l) + 4 * third - 4;
  });
}

/// Q4_K's and Q5_K's scales and offsets, of groups of 32.
void UnpackPairs(const char* bytes, const SuperBlockNumbers& numbers) {
  const float d = Half(bytes);
  const float m = Half(bytes + 2);
  const char* packed = bytes + 4;
  for (size_t group = 0; group < kGroupsOf32; ++group) {
    int scale = 0;
    int offset = 0;
    if (group < 4) {
      scale = Byte(packed, group) & 63;
      offset = Byte(packed, group + 4) & 63;
    } else {
      // The low 4 bits of both share a byte, the high 2 are above the scales and offsets of the first four.
      scale = (Byte(packed, group + 4) & 0xF) | (Byte(packed, group - 4) >> 6 << 4);
      offset = (Byte(packed, group + 4) >> 4) | (Byte(packed, group) >> 6 << 4);
    }
    numbers.scales[group] = d * static_cast<float>(scale);
    numbers.offsets[group] = -(m * static_cast<float>(offset));
  }
}

void UnpackQ4K(const char* bytes, const SuperBlockNumbers& numbers) {
  UnpackPairs(bytes, numbers);
  const char* four = bytes + 16;
  FillCodes(numbers.codes,
            [four](size_t half, size_t quarter, size_t l) { return PairedFourBits(four, half, quarter, l) - 8; });
}

void UnpackQ5K(const char* bytes, const SuperBlockNumbers& numbers) {
  UnpackPairs(bytes, numbers);
  const char* high = bytes + 16;
  const char* four = bytes + 48;
  FillCodes(numbers.codes, [high, four](size_t half, size_t quarter, size_t l) {
    const int fifth = (Byte(high, l) >> (kQuarters * half + quarter)) & 1;
    return PairedFourBits(four, half, quarter, l) + 16 * fifth - 16;
  });
}

void UnpackQ6K(const char* bytes, const SuperBlockNumbers& numbers) {
  const char* low = bytes;
  const char* high = bytes + 128;
  const char* sub_scales = bytes + 192;
  const float d = Half(bytes + 208);
  for (size_t s = 0; s < kGroupsOf16; ++s)
    numbers.scales[s] = d * static_cast<float>(static_cast<int8_t>(sub_scales[s]));
  FillCodes(numbers.codes, [low, high](size_t half, size_t quarter, size_t l) {
    const int pair = Byte(low, 2 * kQuarter * half + kQuarter * (quarter % 2) + l);
    const int four = quarter < 2 ? pair & 0xF : pair >> 4;
    return (four | (TwoBits(high, half, quarter, l) << 4)) - 32;
  });
}

}  // namespace

void UnpackSuperBlock(GgmlType type, const char* bytes, const SuperBlockNumbers& numbers) {
  switch (type) {
    case GgmlType::kQ2_K:
      return UnpackQ2K(bytes, numbers);
    case GgmlType::kQ3_K:
      return UnpackQ3K(bytes, numbers);
    case GgmlType::kQ4_K:
      return UnpackQ4K(bytes, numbers);
    case GgmlType::kQ5_K:
      return UnpackQ5K(bytes, numbers);
    default:
      assert(type == GgmlType::kQ6_K);
      return UnpackQ6K(bytes, numbers);
  }
}

}  // namespace pivot
