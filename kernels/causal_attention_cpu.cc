// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/bf16_strip.h"
#include "kernels/causal_attention.h"
#include "kernels/fast_exp.h"

namespace pivot {
namespace {

constexpr int64_t kTileColumns = kStripColumns;
constexpr int64_t kBlockRows = 32;  // queries of one task
#if defined(__x86_64__)
constexpr __mmask16 kAllLanes = 0xFFFF;
#endif

int64_t RoundUp(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

int64_t PaddedKeys(const CausalAttention& attention) { return RoundUp(attention.length, kTileColumns); }
int64_t PackedKeySize(const CausalAttention& attention) { return PaddedKeys(attention) * attention.head_dim; }
int64_t PackedValueSize(const CausalAttention& attention) {
  return PaddedKeys(attention) * RoundUp(attention.head_dim, kTileColumns);
}
int64_t PackedHeadSize(const CausalAttention& attention) {
  return PackedKeySize(attention) + PackedValueSize(attention);
}
int64_t NumBlocks(const CausalAttention& attention) { return (attention.length + kBlockRows - 1) / kBlockRows; }

const uint16_t* HeadOf(const uint16_t* data, const CausalAttention::Strides& strides, int64_t batch, int64_t head) {
  return data + batch * strides.batch + head * strides.head;
}

/// Column = key, row = dimension.
void PackKeys(const uint16_t* key, int64_t token_stride, const CausalAttention& attention, uint16_t* out) {
  for (int64_t j = 0; j < attention.length; ++j) {
    uint16_t* tile = out + j / kTileColumns * kTileColumns * attention.head_dim + j % kTileColumns * 2;
    for (int64_t i = 0; i < attention.head_dim; ++i) tile[i / 2 * kTileColumns * 2 + i % 2] = key[j * token_stride + i];
  }
}

/// Column = dimension, row = key.
void PackValues(const uint16_t* value, int64_t token_stride, const CausalAttention& attention, uint16_t* out) {
  const int64_t tile_size = PaddedKeys(attention) * kTileColumns;
  for (int64_t j = 0; j < attention.length; ++j) {
    for (int64_t i = 0; i < attention.head_dim; ++i) {
      out[i / kTileColumns * tile_size + j / 2 * kTileColumns * 2 + i % kTileColumns * 2 + j % 2] =
          value[j * token_stride + i];
    }
  }
}

/// What one task works in.
struct Scratch {
  std::vector<uint16_t> query;        // [kBlockRows, head_dim]
  std::vector<float> scores;          // [kBlockRows, keys]
  std::vector<uint16_t> probability;  // [kBlockRows, keys]
  std::vector<float> sums;            // [kBlockRows]
  std::vector<float> output;          // [kBlockRows, kTileColumns]
};

#if defined(__x86_64__)
/// Row of scores to probabilities times their sum, which is returned; columns from `count` on become 0.
PIVOT_AVX512_BF16 float SoftmaxRow(float* scores, int64_t count, int64_t padded, float scale, uint16_t* probability) {
  __m512 maxima = _mm512_set1_ps(scores[0]);
  const int64_t whole = count / 16 * 16;
  // The form with a mask: GCC 12 warns of the other's own code.
  for (int64_t j = 0; j < whole; j += 16) maxima = _mm512_maskz_max_ps(kAllLanes, maxima, _mm512_loadu_ps(scores + j));
  std::array<float, 16> lanes{};
  _mm512_storeu_ps(lanes.data(), maxima);
  float largest = *std::max_element(lanes.begin(), lanes.end());
  for (int64_t j = whole; j < count; ++j) largest = std::max(largest, scores[j]);
  for (int64_t j = 0; j < count; ++j) scores[j] = FastExp((scores[j] - largest) * scale);
  std::fill(scores + count, scores + padded, 0.0F);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t j = 0; j < padded; j += 16) {
    const __m512 values = _mm512_loadu_ps(scores + j);
    sum = _mm512_add_ps(sum, values);
    const auto rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(probability + j), rounded);
  }
  _mm512_storeu_ps(lanes.data(), sum);
  return std::accumulate(lanes.begin(), lanes.end(), 0.0F);
}

PIVOT_AVX512_BF16 void StoreRow(const float* row, float factor, int64_t count, uint16_t* out) {
  for (int64_t i = 0; i < count; i += 16) {
    const auto mask = static_cast<__mmask16>(count - i >= 16 ? 0xFFFFU : (1U << (count - i)) - 1);
    const __m512 values = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, row + i), _mm512_set1_ps(factor));
    _mm256_mask_storeu_epi16(out + i, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
  }
}
#else
float SoftmaxRow(float*, int64_t, int64_t, float, uint16_t*) { return 1; }
void StoreRow(const float*, float, int64_t, uint16_t*) {}
#endif

/// One block of queries of one head.
void RunBlock(const CausalAttention& attention, int64_t batch, int64_t head, int64_t block, Scratch& scratch) {
  const int64_t dim = attention.head_dim;
  const int64_t first = block * kBlockRows;
  const int64_t rows = std::min(kBlockRows, attention.length - first);
  const int64_t keys = RoundUp(first + rows, kTileColumns);
  const int64_t kv_head = head / (attention.heads / attention.kv_heads);
  const uint16_t* packed_keys = attention.packed + (batch * attention.kv_heads + kv_head) * PackedHeadSize(attention);
  const uint16_t* packed_values = packed_keys + PackedKeySize(attention);
  const uint16_t* query = HeadOf(attention.query, attention.query_strides, batch, head);
  std::fill(scratch.query.begin(), scratch.query.end(), uint16_t{0});
  for (int64_t i = 0; i < rows; ++i)
    std::copy_n(query + (first + i) * attention.query_strides.token, dim, scratch.query.data() + i * dim);

  for (int64_t column = 0; column < keys; column += kTileColumns) {
    for (int64_t row = 0; row < kBlockRows; row += kStripRows) {
      MultiplyStrip({.data = scratch.query.data() + row * dim, .row_stride = dim, .pair_stride = 2},
                    packed_keys + column * dim, dim / 2, scratch.scores.data() + row * keys + column, keys);
    }
  }
  for (int64_t i = 0; i < kBlockRows; ++i) {
    const int64_t visible = std::min(first + i + 1, attention.length);
    scratch.sums[static_cast<size_t>(i)] = SoftmaxRow(scratch.scores.data() + i * keys, visible, keys, attention.scale,
                                                      scratch.probability.data() + i * keys);
  }
  uint16_t* output = attention.output + ((batch * attention.length + first) * attention.heads + head) * dim;
  for (int64_t column = 0; column < dim; column += kTileColumns) {
    const uint16_t* tile = packed_values + column * PaddedKeys(attention);
    for (int64_t row = 0; row < kBlockRows; row += kStripRows) {
      MultiplyStrip({.data = scratch.probability.data() + row * keys, .row_stride = keys, .pair_stride = 2}, tile,
                    keys / 2, scratch.output.data() + row * kTileColumns, kTileColumns);
    }
    for (int64_t i = 0; i < rows; ++i) {
      StoreRow(scratch.output.data() + i * kTileColumns, 1.0F / scratch.sums[static_cast<size_t>(i)],
               std::min(kTileColumns, dim - column), output + i * attention.heads * dim + column);
    }
  }
}

}  // namespace

bool HasCausalAttention() { return HasBf16Products(); }

int64_t PackedAttentionSize(const CausalAttention& attention) {
  return attention.batch * attention.kv_heads * PackedHeadSize(attention);
}

void PackAttention(const CausalAttention& attention, int64_t first, int64_t last) {
  for (int64_t i = first; i < last; ++i) {
    const int64_t batch = i / attention.kv_heads;
    const int64_t head = i % attention.kv_heads;
    uint16_t* out = attention.packed + i * PackedHeadSize(attention);
    std::fill_n(out, PackedHeadSize(attention), uint16_t{0});
    PackKeys(HeadOf(attention.key, attention.key_strides, batch, head), attention.key_strides.token, attention, out);
    PackValues(HeadOf(attention.value, attention.value_strides, batch, head), attention.value_strides.token, attention,
               out + PackedKeySize(attention));
  }
}

int64_t NumAttentionTasks(const CausalAttention& attention) {
  return attention.batch * attention.heads * NumBlocks(attention);
}

void RunCausalAttention(const CausalAttention& attention, int64_t first, int64_t last) {
  assert(HasCausalAttention() && attention.head_dim % 2 == 0);
  const auto keys = static_cast<size_t>(PaddedKeys(attention));
  Scratch scratch{.query = std::vector<uint16_t>(static_cast<size_t>(kBlockRows * attention.head_dim)),
                  .scores = std::vector<float>(static_cast<size_t>(kBlockRows) * keys),
                  .probability = std::vector<uint16_t>(static_cast<size_t>(kBlockRows) * keys),
                  .sums = std::vector<float>(static_cast<size_t>(kBlockRows)),
                  .output = std::vector<float>(static_cast<size_t>(kBlockRows * kTileColumns))};
  const int64_t blocks = NumBlocks(attention);
  const int64_t heads = attention.batch * attention.heads;
  for (int64_t task = first; task < last; ++task) {
    const int64_t step = task / heads;
    // Later blocks see more keys: long ones alternate with short ones.
    const int64_t block = step % 2 == 0 ? step / 2 : blocks - 1 - step / 2;
    const int64_t head = task % heads;
    RunBlock(attention, head / attention.heads, head % attention.heads, block, scratch);
  }
}

}  // namespace pivot
