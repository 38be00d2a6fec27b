// SPDX-License-Identifier: Apache-2.0
#include "engine/refine/refine_streams.h"

#include <ATen/ATen.h>
#include <algorithm>

#include "engine/checkpoint/narrow_tensor.h"
#include "engine/forward/block.h"
#include "engine/forward/ends.h"

namespace pivot {

EmbeddingWeights WrittenEmbedding(const EmbeddingWeights& embedding, NarrowEnds ends) {
  EmbeddingWeights written = embedding;
  if (ends.embedding) written.tokens = RoundToFloat8(embedding.tokens);
  return written;
}

at::Tensor EmbedAll(const ModelConfig& config, const EmbeddingWeights& embedding, const at::Tensor& windows,
                    int64_t tile_windows) {
  const int64_t count = windows.size(0);
  at::Tensor stream = at::empty({count, windows.size(1), config.hidden_size}, embedding.tokens.options());
  for (int64_t first = 0; first < count; first += tile_windows) {
    const int64_t tile = std::min(tile_windows, count - first);
    const at::Tensor ids = windows.narrow(0, first, tile).to(stream.device());
    stream.narrow(0, first, tile).copy_(EmbedTokens(config, embedding, ids, 0));
  }
  return stream;
}

absl::Status AdvanceStream(const ModelConfig& config, const RotaryTable& rotary, const BlockWeights& weights,
                           int64_t tile_windows, const std::function<bool()>& is_cancelled, at::Tensor& stream) {
  const int64_t count = stream.size(0);
  for (int64_t first = 0; first < count; first += tile_windows) {
    if (is_cancelled && is_cancelled()) return absl::CancelledError("the job was cancelled");
    const at::Tensor tile = stream.narrow(0, first, std::min(tile_windows, count - first));
    tile.copy_(ForwardBlock(config, weights, tile, rotary, nullptr));
  }
  return absl::OkStatus();
}

}  // namespace pivot
