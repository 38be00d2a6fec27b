// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_SERVING_MEMORY_H_
#define PIVOT_ENGINE_PLAN_SERVING_MEMORY_H_

// What a GPU that serves a model needs beside its weights, and so what it has left for them.

#include <cstdint>

#include "absl/status/statusor.h"

#include "engine/model/model_config.h"

namespace pivot {

/// Tokens of a prompt that a runtime computes at once: what vLLM and SGLang take of a longer one in a step.
inline constexpr int64_t kPrefillTokens = 2048;

struct ServingMemory {
  int64_t kv_cache_bytes = 0;
  int64_t activation_bytes = 0;
  int64_t overhead_bytes = 0;  // the CUDA context, libraries and CUDA graphs of a runtime

  int64_t total() const { return kv_cache_bytes + activation_bytes + overhead_bytes; }
};

/// Of one sequence that is `context_tokens` long. Requires a family that is in the table.
///
/// Equation:
///   kv cache    2 (keys, values) * 2 bytes * kv_heads * head_dim * sum over blocks of the tokens that it attends to:
///               all, or at most sliding_window
///   activations 5/4 of: min(context, kPrefillTokens) tokens * 2 bytes * (2 hidden + the larger of
///               2 heads * head_dim + 2 kv_heads * head_dim   queries and what attention gives; keys and values
///               3 intermediate                               gate, up and their product; of a mixture for each expert
///                                                            that a token meets, with its result: 3 intermediate +
///                                                            hidden)
///               + 2 * 4 bytes * vocab_size, the logits and probabilities of the last token in fp32
///   overhead    1,280 MiB
/// Source: the quarter is for what an allocator cannot use again, and makes the formula say 1.28 GiB of Llama 3 8B with
/// 8,192 tokens and 256 rows of logits, of which vLLM measured 1.26 GiB (vllm-project/vllm, pull request 10511). The
/// overhead is the 0.9 GiB of a context with the code of libtorch's and CUDA's libraries, as measured of pivot-worker,
/// and 0.36 GiB for CUDA graphs, as vLLM 0.27 estimates them (gpustack/runner, pull request 251).
/// Units: bytes of one GPU; a runtime that is told to use a share of it, as vLLM's gpu_memory_utilization, has this
/// share.
ServingMemory ServingMemoryOf(const ModelConfig& config, int64_t context_tokens);

/// What a GPU of `vram_bytes` has for weights. In it a compressed model's weights take what its tensors take in its
/// files, where a head that is the embedding is not written a second time.
/// Errors: kInvalidArgument, INVALID_SPEC, with the field: context_tokens when the model has no such positions;
/// vram_bytes when less than `least_weight_bytes`, which is above 0, is left, naming the bytes that are missing and the
/// longest context that would fit. UNSUPPORTED_ARCHITECTURE of a model that is not in the table, of whose cache nothing
/// is known.
absl::StatusOr<int64_t> WeightBudget(const ModelConfig& config, int64_t vram_bytes, int64_t context_tokens,
                                     int64_t least_weight_bytes = 1);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_SERVING_MEMORY_H_
