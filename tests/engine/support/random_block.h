// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_SUPPORT_RANDOM_BLOCK_H_
#define PIVOT_TESTS_ENGINE_SUPPORT_RANDOM_BLOCK_H_

// A small decoder block with random weights, without any file.

#include "engine/forward/weights.h"

namespace pivot {

/// llama: hidden 64, intermediate 96, four heads over two key/value heads of 16.
ModelConfig SmallConfig();

/// Weights of a standard deviation of 0.1; norms around 1.
BlockWeights RandomBlock(const ModelConfig& config, int64_t seed, at::ScalarType dtype);

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_SUPPORT_RANDOM_BLOCK_H_
