// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MODEL_SHAPES_H_
#define PIVOT_ENGINE_MODEL_MODEL_SHAPES_H_

// The tensors that a model of a configuration has, and their shapes.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/model_config.h"

namespace pivot {

/// Whether the linear has a bias tensor.
bool HasBias(const ModelConfig& config, BiasKind kind);

/// [out_features, in_features].
struct LinearShape {
  int64_t out_features = 0;
  int64_t in_features = 0;

  friend bool operator==(const LinearShape&, const LinearShape&) = default;
};
/// Of a role that the table speaks of.
LinearShape ShapeOf(const ModelConfig& config, LinearRole role);

/// Features that the normalization is over.
int64_t NormWidth(const ModelConfig& config, NormRole role);

struct NamedShape {
  std::string name;
  std::vector<int64_t> shape;
};

/// The tensors of a block's normalizations, each once.
std::vector<NamedShape> NormTensors(const ModelConfig& config, int block);

/// The tensors before and behind the blocks. The head is not among them when it is the embedding. None of a model whose
/// family is not in the table.
std::vector<NamedShape> OuterTensors(const ModelConfig& config);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MODEL_SHAPES_H_
