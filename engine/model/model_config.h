// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MODEL_CONFIG_H_
#define PIVOT_ENGINE_MODEL_MODEL_CONFIG_H_

// config.json of a decoder model, in the form of transformers 4 (rope_theta, torch_dtype) or 5 (rope_parameters,
// dtype).

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "engine/model/architecture.h"
#include "engine/model/rope.h"

namespace pivot {

enum class Activation { kSilu, kGelu, kGeluTanh, kRelu };

/// How a block attends.
struct BlockAttention {
  bool slides = false;  // to the last ModelConfig::sliding_window tokens only
  bool rotates = true;  // queries and keys by their positions
};

/// Experts that a router chooses among for each token, in the place of an MLP.
struct ExpertsConfig {
  int64_t count = 0;              // 0: no block has any
  int64_t per_token = 0;          // that a token is sent to
  int64_t intermediate_size = 0;  // of each
  bool renormalizes = false;      // the probabilities of those that were chosen, so that their sum is 1
  std::vector<bool> in_block;     // of each block; empty: in none
};

struct FoundModel;
struct WrappedDecoder;

struct ModelConfig {
  const Architecture* architecture = nullptr;  // an entry of the table, or one of those below; never null after parsing
  std::shared_ptr<const FoundModel> found;     // null: the family is in the table
  std::shared_ptr<const WrappedDecoder> wrapped;  // null: nothing is around the decoder
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_blocks = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  double norm_eps = 0;
  Activation activation = Activation::kSilu;
  BlockOrder order = BlockOrder::kSequential;  // never kAsConfigured
  Rope rope;
  Rope sliding_rope;                      // of blocks that slide
  int64_t sliding_window = 0;             // tokens, the one that attends included
  std::vector<BlockAttention> attention;  // of each block
  double attention_scale = 0;             // of the products of queries and keys
  double attention_soft_cap = 0;          // cap * tanh(x / cap) of these; 0: none
  double logit_soft_cap = 0;              // the same of logits
  double embedding_scale = 1;
  double residual_scale = 1;  // of what attention and MLP add to the stream
  double logit_scale = 1;
  bool tied_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  ExpertsConfig experts;
  std::vector<int64_t> eos_token_ids;  // may be empty
  std::string dtype;                   // "bfloat16"; empty when the file does not say

  bool has_experts(int block) const {
    return !experts.in_block.empty() && experts.in_block[static_cast<size_t>(block)];
  }
};

/// kInvalidArgument with reason UNSUPPORTED_ARCHITECTURE when the family is not in the table or uses a part that the
/// table does not describe (naming it and what is supported), with INVALID_CONFIG when a value is missing or makes no
/// sense.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view config_json);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MODEL_CONFIG_H_
