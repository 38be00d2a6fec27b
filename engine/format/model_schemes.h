// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_MODEL_SCHEMES_H_
#define PIVOT_ENGINE_FORMAT_MODEL_SCHEMES_H_

// The scheme of every linear layer of a model's decoder blocks, and how the matrices around them are stored.

#include <optional>
#include <string>
#include <vector>

#include "engine/format/narrow_ends.h"
#include "engine/format/weight_scheme.h"
#include "engine/model/model_config.h"

namespace pivot {

class ModelSchemes {
 public:
  /// All layers plain.
  explicit ModelSchemes(const ModelConfig& config);

  /// All layers of the architecture alike.
  static ModelSchemes Uniform(const ModelConfig& config, const WeightScheme& scheme);

  int num_blocks() const { return static_cast<int>(blocks_.size()); }

  /// Nothing: the weight is stored plainly. All experts of a block have one scheme.
  const std::optional<WeightScheme>& at(int block, LinearRole role) const {
    return blocks_[static_cast<size_t>(block)][static_cast<size_t>(role)];
  }
  void Set(int block, LinearRole role, std::optional<WeightScheme> scheme) {
    blocks_[static_cast<size_t>(block)][static_cast<size_t>(role)] = scheme;
  }

  /// Embedding and head.
  NarrowEnds ends() const { return ends_; }
  void SetEnds(NarrowEnds ends) { ends_ = ends; }
  /// Also when the head is the embedding.
  bool NarrowsHead(const ModelConfig& config) const { return config.tied_embeddings ? ends_.embedding : ends_.head; }

  /// Each scheme once: the one of the most layers first, of equals the one met first.
  std::vector<WeightScheme> Distinct() const;

  /// Of the widest codes; 0 when all layers are plain.
  int WidestBits() const;

 private:
  std::vector<std::vector<std::optional<WeightScheme>>> blocks_;  // of each role
  NarrowEnds ends_;
};

/// Expressions that match exactly the layers which have `scheme` (nothing: which are plain, routers of experts too, and
/// of a model that is not in the table, or around a decoder, every other matrix),
/// and what serving runtimes fuse them to, or call experts' layers: one for each parent module and set of blocks, as
/// `.*layers\.(0|7)\.mlp\.(gate_proj|up_proj|gate_up_proj)$`. When all blocks are alike the number is `\d+`. Members of
/// a fused layer must have one scheme.
std::vector<std::string> LayerExpressions(const ModelConfig& config, const ModelSchemes& schemes,
                                          const std::optional<WeightScheme>& scheme);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_MODEL_SCHEMES_H_
