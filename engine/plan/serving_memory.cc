// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/serving_memory.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "engine/model/block_linears.h"
#include "engine/model/found_model.h"
#include "engine/plan/spec_fields.h"
#include "proto/status/status_macros.h"

namespace pivot {
namespace {

constexpr int64_t kElementBytes = 2;  // bf16
constexpr int64_t kLogitBytes = 4;
constexpr int64_t kOverheadBytes = int64_t{1280} << 20;

/// Of all blocks, each with its own view of the context.
int64_t CachedTokens(const ModelConfig& config, int64_t context_tokens) {
  int64_t tokens = 0;
  for (size_t block = 0; block < static_cast<size_t>(config.num_blocks); ++block) {
    const bool slides = block < config.attention.size() && config.attention[block].slides;
    tokens += slides ? std::min(context_tokens, config.sliding_window) : context_tokens;
  }
  return tokens;
}

/// Of a token, in the block that is the widest.
int64_t BlockFeatures(const ModelConfig& config) {
  int64_t most = 2 * (config.num_heads + config.num_kv_heads) * config.head_dim;
  for (const BlockLinear& linear : ModelLinears(config)) {
    if (linear.role == LinearRole::kDown) most = std::max(most, 3 * linear.shape.in_features);
    if (linear.role == LinearRole::kExpertDown)
      most = std::max(most, config.experts.per_token * (3 * linear.shape.in_features + config.hidden_size));
  }
  return most;
}

/// The longest context that leaves room for the weights; 0: none does.
int64_t LongestContext(const ModelConfig& config, int64_t room_bytes) {
  int64_t fits = 0;
  int64_t beyond = config.max_positions + 1;
  while (beyond - fits > 1) {
    const int64_t middle = fits + (beyond - fits) / 2;
    (ServingMemoryOf(config, middle).total() <= room_bytes ? fits : beyond) = middle;
  }
  return fits;
}

}  // namespace

ServingMemory ServingMemoryOf(const ModelConfig& config, int64_t context_tokens) {
  const int64_t tokens = std::min(context_tokens, kPrefillTokens);
  const int64_t activations =
      tokens * kElementBytes * (2 * config.hidden_size + BlockFeatures(config)) + 2 * kLogitBytes * config.vocab_size;
  return {.kv_cache_bytes =
              2 * kElementBytes * config.num_kv_heads * config.head_dim * CachedTokens(config, context_tokens),
          .activation_bytes = activations + activations / 4,
          .overhead_bytes = kOverheadBytes};
}

absl::StatusOr<int64_t> WeightBudget(const ModelConfig& config, int64_t vram_bytes, int64_t context_tokens,
                                     int64_t least_weight_bytes) {
  PIVOT_RETURN_IF_ERROR(CheckCanRun(config));
  if (context_tokens < 1 || context_tokens > config.max_positions) {
    return InvalidSpec("context_tokens", absl::StrCat("is ", context_tokens, "; allowed: 1 to the model's ",
                                                      config.max_positions, " positions"));
  }
  const ServingMemory memory = ServingMemoryOf(config, context_tokens);
  const int64_t left = std::max<int64_t>(vram_bytes, 0) - memory.total();
  if (left >= least_weight_bytes) return left;
  const int64_t longest = LongestContext(config, std::max<int64_t>(vram_bytes, 0) - least_weight_bytes);
  return InvalidSpec(
      "vram_bytes",
      absl::StrCat("is ", vram_bytes, ", which is ", least_weight_bytes - left, " bytes too few: beside at least ",
                   least_weight_bytes, " bytes of weights a context of ", context_tokens, " tokens takes ",
                   memory.kv_cache_bytes, " for keys and values, ", memory.activation_bytes,
                   " for activations and the runtime ", memory.overhead_bytes, "; ",
                   longest > 0 ? absl::StrCat("a context of ", longest, " tokens would fit") : "no context would fit"));
}

}  // namespace pivot
