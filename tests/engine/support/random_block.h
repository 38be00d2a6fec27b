// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_SUPPORT_RANDOM_BLOCK_H_
#define PIVOT_TESTS_ENGINE_SUPPORT_RANDOM_BLOCK_H_

// A small decoder block with random weights, without any file.

#include "engine/forward/weights.h"

namespace pivot {

/// llama: hidden 64, intermediate 96, four heads over two key/value heads of 16.
ModelConfig SmallConfig();

/// mixtral: the same attention, and five experts of an intermediate size of 48, of which a token is sent to two.
ModelConfig SmallMixture();

/// Weights of a standard deviation of 0.1, a router's of 0.5; norms around 1. Of the model's first block.
BlockWeights RandomBlock(const ModelConfig& config, int64_t seed, at::ScalarType dtype);

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_SUPPORT_RANDOM_BLOCK_H_
