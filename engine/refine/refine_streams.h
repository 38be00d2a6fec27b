// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_REFINE_STREAMS_H_
#define PIVOT_ENGINE_REFINE_REFINE_STREAMS_H_

// Residual streams that refinement trains on, whole on the device.

#include <ATen/core/Tensor.h>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "engine/format/narrow_ends.h"
#include "engine/forward/rotary.h"
#include "engine/forward/weights.h"

namespace pivot {

/// The embedding's matrix as the compressed folder has it.
EmbeddingWeights WrittenEmbedding(const EmbeddingWeights& embedding, NarrowEnds ends);

/// Windows [count, length] embedded, [count, length, hidden]. May throw what ATen throws.
at::Tensor EmbedAll(const ModelConfig& config, const EmbeddingWeights& embedding, const at::Tensor& windows,
                    int64_t tile_windows);

/// Moves the stream behind a block, in place, a tile at a time. kCancelled between two tiles. May throw what ATen
/// throws.
absl::Status AdvanceStream(const ModelConfig& config, const RotaryTable& rotary, const BlockWeights& weights,
                           int64_t tile_windows, const std::function<bool()>& is_cancelled, at::Tensor& stream);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_REFINE_STREAMS_H_
