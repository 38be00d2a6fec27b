// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_CAUSAL_ATTENTION_H_
#define PIVOT_KERNELS_CAUSAL_ATTENTION_H_

// Causal attention in bf16 for processors with AVX512_BF16: scores and sums in fp32, probabilities rounded to bf16.
//
// Equation: o[i] = sum over j <= i of p[i,j] v[j];  p[i,j] = exp(s[i,j] - max_j s[i,j]) / sum_j of it;
//           s[i,j] = scale q[i]·k[j].
// Source:   Attention Is All You Need, arXiv:1706.03762, section 3.2.1; the sum divides after the product with v, as in
//           FlashAttention, arXiv:2205.14135.
//
// Keys and values are packed first: [tiles of 64 columns][pairs of rows][64 columns][2 rows], the rows being what a
// product sums over (for k the head's dimensions, for v the keys), padded with zeros.

#include <cstdint>

namespace pivot {

struct CausalAttention {
  int64_t batch = 0;
  int64_t heads = 0;     // a multiple of kv_heads
  int64_t kv_heads = 0;  // query heads share them in runs
  int64_t length = 0;
  int64_t head_dim = 0;  // even
  float scale = 1;
  // bf16, [batch, heads or kv_heads, length, head_dim]: elements from one batch entry, head and token to the next; the
  // last dimension is contiguous.
  struct Strides {
    int64_t batch = 0;
    int64_t head = 0;
    int64_t token = 0;
  };
  const uint16_t* query = nullptr;
  const uint16_t* key = nullptr;
  const uint16_t* value = nullptr;
  Strides query_strides;
  Strides key_strides;
  Strides value_strides;
  uint16_t* packed = nullptr;  // PackedAttentionSize() elements
  uint16_t* output = nullptr;  // [batch, length, heads, head_dim] bf16, row-major, out
};

/// Whether the processor has the instructions.
bool HasCausalAttention();

/// bf16 elements of `packed`.
int64_t PackedAttentionSize(const CausalAttention& attention);

/// Packs keys and values of batch entry and head number [first, last) of batch * kv_heads.
void PackAttention(const CausalAttention& attention, int64_t first, int64_t last);

/// Tasks of RunCausalAttention; neighbours take about as long together as any others.
int64_t NumAttentionTasks(const CausalAttention& attention);

/// Tasks [first, last). All keys and values must be packed.
void RunCausalAttention(const CausalAttention& attention, int64_t first, int64_t last);

}  // namespace pivot

#endif  // PIVOT_KERNELS_CAUSAL_ATTENTION_H_
