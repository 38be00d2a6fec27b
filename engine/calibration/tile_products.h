// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_TILE_PRODUCTS_H_
#define PIVOT_ENGINE_CALIBRATION_TILE_PRODUCTS_H_

// Second moments of bf16 tokens on processors with AMX, several times as fast as kernels/token_products there, through
// oneDNN's kernels inside libtorch.

#include <ATen/core/Tensor.h>

#include "engine/ops/activation_calls.h"

namespace pivot {

/// Whether the processor and this libtorch have them.
bool HasTileProducts();

/// tokens [tokens, features] bf16 -> [features, tokens], with a token of zeros more when their number is odd. May throw
/// what ATen throws.
at::Tensor ByFeature(const at::Tensor& tokens);

/// sum [left features, right features] f32, contiguous: += leftᵀ right, `left` as ByFeature gives it. With
/// ProductPart::kLower what is above the diagonal is undefined. Sums in fp32. May throw what ATen throws.
void AddTileProducts(const at::Tensor& left, const PackedTokens& right, ProductPart part, const at::Tensor& sum);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_TILE_PRODUCTS_H_
