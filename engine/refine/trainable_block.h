// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_TRAINABLE_BLOCK_H_
#define PIVOT_ENGINE_REFINE_TRAINABLE_BLOCK_H_

// A decoder block whose quantized layers are learned.

#include <ATen/core/Tensor.h>
#include <map>
#include <string>

#include "engine/checkpoint/block_shard.h"
#include "engine/checkpoint/stored_tensor.h"
#include "engine/forward/weights.h"
#include "engine/model/block_linears.h"
#include "engine/plan/compress_spec.h"
#include "engine/refine/trainable_linear.h"

namespace pivot {

enum class Learned { kScales, kScalesAndCodes };

class TrainableBlock {
 public:
  /// `original` as the model has it, in the compute dtype and on the device; `quantized` its layers that have a scheme,
  /// by module. Layers that TrainableLinear does not take are as they are. The spec says how
  /// scales are rounded. May throw what ATen throws.
  TrainableBlock(const ModelConfig& config, int block, const BlockWeights& original, const QuantizedLinears& quantized,
                 Learned learned, const CompressSpec& spec);

  /// The block with each layer as it is now; what is learned are leaves that want a gradient. May throw what ATen
  /// throws.
  BlockWeights MakeWeights();

  /// As TrainableLinear::Learn, of all.
  void Learn(const LearningRates& rates, int64_t n);

  /// All quantized layers, by module. May throw what ATen throws.
  QuantizedLinears Rounded() const;

  /// The block with these layers, nothing of which wants a gradient. May throw what ATen throws.
  BlockWeights RoundedWeights() const;

  /// Over all layers that are learned. May throw what ATen throws.
  double MovedShare() const;

  /// What has been learned, a copy: TrainableLinear::State's tensors as MODULE.latent and MODULE.change. May throw what
  /// ATen throws.
  NamedTensors Save() const;
  /// Takes what Save gave, on any device. May throw what ATen throws.
  void Restore(const NamedTensors& state);
  /// As TrainableLinear::Settle.
  void Settle();

  std::map<std::string, TrainableLinear>& linears() { return linears_; }

 private:
  std::map<std::string, BlockLinear> places_;  // of all quantized layers
  BlockWeights weights_;                       // with layers that are not learned as they are, others undefined
  QuantizedLinears fixed_;
  std::map<std::string, TrainableLinear> linears_;
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_TRAINABLE_BLOCK_H_
