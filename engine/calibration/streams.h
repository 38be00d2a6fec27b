// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_STREAMS_H_
#define PIVOT_ENGINE_CALIBRATION_STREAMS_H_

// The residual streams of the calibration windows. Each function may throw what ATen throws.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "engine/calibration/window_tensor.h"
#include "engine/forward/weights.h"

namespace pivot {

/// The residual streams at the block's border, [windows, length, hidden] in the compute dtype.
struct Streams {
  WindowTensor quantized;  // through the blocks quantized so far
  WindowTensor original;   // through the original blocks; undefined when errors are not propagated
};

/// Where the streams begin: the windows [count, length] int64, embedded a tile at a time.
WindowTensor EmbedWindows(const ModelConfig& config, const EmbeddingWeights& embedding, const at::Tensor& windows,
                          int64_t tile_windows, int64_t resident_windows);

/// ||quantized - original||^2 / ||original||^2; 0 without both streams. May throw what ATen throws.
double StreamDistance(const Streams& streams, int64_t tile_windows);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_STREAMS_H_
