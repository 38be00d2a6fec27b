// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_WORK_H_
#define PIVOT_ENGINE_PLAN_WORK_H_

// Arithmetic and memory that a compress job needs, from shapes alone.

#include <cstdint>
#include <limits>

#include "engine/model/model_config.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// Floating-point operations (a multiply and an add are two) of the matrix products.
struct CompressWork {
  double forward = 0;     // both residual streams through the blocks, attention included
  double statistics = 0;  // H and C
  double solve = 0;       // factorizations, corrections and error feedback
  double evaluation = 0;  // original and compressed model over the evaluation text, head included

  double total() const { return forward + statistics + solve + evaluation; }
};

/// Tokens that an evaluation reads; an estimate when it reads the whole text, 0 when it is skipped.
int64_t EvaluationTokens(const EvaluationSpec& spec);

/// `evaluation_tokens` as they will really be read.
CompressWork WorkOf(const ModelConfig& config, const CompressSpec& spec, int64_t evaluation_tokens);

/// One residual stream through one block: linear layers and causal attention over windows of `sequence_length`.
double BlockForwardFlops(const ModelConfig& config, int64_t num_tokens, int64_t sequence_length);

/// Tokens of one step of a pass through a block: what keeps a processor's caches, or a GPU, busy.
int64_t TileTokens(DeviceKind device);

/// Windows of such a step.
int64_t TileWindows(DeviceKind device, int64_t sequence_length);

/// Moments of experts' inputs that are gathered in one run over the windows; those of one expert, if they are more.
/// More experts take further runs. Decides no bit of the results.
inline constexpr int64_t kExpertMomentBytes = int64_t{512} << 20;

struct CompressMemory {
  int64_t host_bytes = 0;
  int64_t gpu_bytes = 0;
  int64_t tensor_bytes = 0;  // of these, what tensors take: without the context, and room that the allocator wastes
  /// The same with everything outside that can be (ActivationPlacement), for GPUs that have no more.
  int64_t least_gpu_bytes = 0;
};

/// Upper estimates of the peaks. On the CPU everything is host memory.
CompressMemory MemoryOf(const ModelConfig& config, const CompressSpec& spec, DeviceKind device);

/// Where a pass through a decoder block has what it keeps of every window. Decides how long it takes, and no bit of its
/// results.
struct ActivationPlacement {
  /// The MLP's hidden state is computed twice instead of kept.
  bool recomputes_hidden = false;
  /// Windows whose residual streams and heads stay on the GPU; those of the others are in host memory and come by.
  int64_t resident_windows = std::numeric_limits<int64_t>::max();
  /// Upper estimates: of the GPU in all, and of page-locked host memory beside CompressMemory::host_bytes.
  int64_t gpu_bytes = 0;
  int64_t host_bytes = 0;
};

/// The fastest placement for a GPU of this memory. One with nothing resident may need more memory than there is.
ActivationPlacement PlaceActivations(const ModelConfig& config, const CompressSpec& spec, int64_t gpu_memory_bytes);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_WORK_H_
