// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_PASS_SHAPES_H_
#define PIVOT_ENGINE_PLAN_PASS_SHAPES_H_

// Of a model's shapes what the work and the memory of a pass through its blocks depend on.

#include <cstdint>
#include <vector>

#include "engine/model/block_linears.h"
#include "engine/model/model_config.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// Of the largest block.
double BlockParameters(const ModelConfig& config);

/// The widest hidden state of a token, whether of an MLP or of one expert.
int64_t HiddenFeatures(const ModelConfig& config);

/// One group of each kind that the model has, and how many like it the blocks have in all and a token meets.
struct CountedGroup {
  BlockGroup group;
  double count = 0;
  double met = 0;
};
std::vector<CountedGroup> CountGroups(const ModelConfig& config);

int64_t GroupInFeatures(const ModelConfig& config, const LinearGroup& group);

/// Residual streams, and what is like them, that a pass keeps of every token.
int64_t KeptStreams(const ModelConfig& config, const CompressSpec& spec);

/// Features of a token that a pass through a block keeps in its streams and heads, but for the MLP's hidden state.
int64_t KeptFeatures(const ModelConfig& config, const CompressSpec& spec);

/// Moments of the experts that are gathered at once: H, and with both streams C and D.
int64_t ExpertMomentBytes(const ModelConfig& config, const CompressSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_PASS_SHAPES_H_
