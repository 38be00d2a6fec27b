// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_KERNELS_TOKEN_PRODUCTS_H_
#define PIVOT_KERNELS_TOKEN_PRODUCTS_H_

// Second moments of bf16 activations, summed in fp32, for processors with AVX512_BF16.
//
// Equation: sum[i,j] += sum over tokens t of left[t,i] right[t,j]. Products of two bf16 values are exact in fp32; the
// sum
//           takes tokens in pairs, 512 tokens at a time.
//
// Both sides are packed first: [panels of 64 features][pairs of tokens][64 features][2 tokens], padded with zeros.

#include <cstdint>

namespace pivot {

/// Features of a panel; a task of RunTokenProducts takes one panel of the right side.
inline constexpr int64_t kProductPanel = 64;

enum class ProductPart {
  kAll,
  kLower,  // what is on and below the diagonal; above it only the rest of a panel
};

struct TokenProducts {
  int64_t tokens = 0;
  int64_t left_features = 0;
  int64_t right_features = 0;
  ProductPart part = ProductPart::kAll;
  const uint16_t* left = nullptr;   // packed bf16
  const uint16_t* right = nullptr;  // packed bf16
  float* sum = nullptr;             // [left_features, right_features] f32, row-major, added to
};

bool HasTokenProducts();

inline int64_t NumProductPanels(int64_t features) { return (features + kProductPanel - 1) / kProductPanel; }

/// Elements that packing [tokens, features] takes.
int64_t PackedTokensSize(int64_t tokens, int64_t features);

/// Packs panels [first_panel, last_panel) of x, [tokens, features] bf16 with contiguous rows.
void PackTokens(const uint16_t* x, int64_t tokens, int64_t features, int64_t first_panel, int64_t last_panel,
                uint16_t* packed);

/// Tasks [first_task, last_task) of NumProductPanels(right_features). Tasks write to different columns of the sum.
void RunTokenProducts(const TokenProducts& products, int64_t first_task, int64_t last_task);

}  // namespace pivot

#endif  // PIVOT_KERNELS_TOKEN_PRODUCTS_H_
