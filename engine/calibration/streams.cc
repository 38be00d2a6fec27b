// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/streams.h"

#include <ATen/ATen.h>
#include <algorithm>

#include "engine/forward/ends.h"
#include "engine/ops/part_seconds.h"

namespace pivot {

WindowTensor EmbedWindows(const ModelConfig& config, const EmbeddingWeights& embedding, const at::Tensor& windows,
                          int64_t tile_windows, int64_t resident_windows) {
  WindowTensor stream({.windows = windows.size(0),
                       .length = windows.size(1),
                       .features = config.hidden_size,
                       .tile_windows = tile_windows,
                       .resident_windows = resident_windows},
                      embedding.tokens.options());
  for (int64_t first = 0; first < windows.size(0); first += tile_windows) {
    const int64_t count = std::min(tile_windows, windows.size(0) - first);
    const at::Tensor tokens = windows.narrow(0, first, count).to(embedding.tokens.device());
    stream.Fill(first, count).copy_(EmbedTokens(config, embedding, tokens, 0));
    stream.Keep(first, count);
  }
  return stream;
}

double StreamDistance(const Streams& streams, int64_t tile_windows) {
  if (!streams.original.defined()) return 0;
  const Part part("report");
  at::Tensor squares = at::zeros({2}, at::TensorOptions().dtype(at::kDouble).device(streams.original.device()));
  const int64_t windows = streams.original.windows();
  for (int64_t first = 0; first < windows; first += tile_windows) {
    const int64_t count = std::min(tile_windows, windows - first);
    const at::Tensor original = streams.original.Read(first, count);
    const at::Tensor error = streams.quantized.Read(first, count) - original;
    const auto square = [](const at::Tensor& x) {
      return at::linalg_vector_norm(x, 2, {}, false, at::kFloat).square();
    };
    squares.add_(at::stack({square(error), square(original)}));
  }
  const at::Tensor sums = squares.to(at::kCPU);
  const double size = sums[1].item<double>();
  return size > 0 ? sums[0].item<double>() / size : 0;
}

}  // namespace pivot
