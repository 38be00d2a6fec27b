// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/support/placed_windows.h"

#include <ATen/ATen.h>
#include <algorithm>
#include <vector>

namespace pivot {

WindowTensor Placed(const at::Tensor& values, int64_t tile_windows, int64_t resident_windows) {
  WindowTensor placed({.windows = values.size(0),
                       .length = values.size(1),
                       .features = values.size(2),
                       .tile_windows = tile_windows,
                       .resident_windows = resident_windows},
                      values.options());
  for (int64_t first = 0; first < values.size(0); first += tile_windows) {
    const int64_t count = std::min(tile_windows, values.size(0) - first);
    placed.Fill(first, count).copy_(values.narrow(0, first, count));
    placed.Keep(first, count);
  }
  return placed;
}

at::Tensor Collected(const WindowTensor& tensor, int64_t tile_windows) {
  std::vector<at::Tensor> tiles;
  for (int64_t first = 0; first < tensor.windows(); first += tile_windows)
    tiles.push_back(tensor.Read(first, std::min(tile_windows, tensor.windows() - first)).clone());
  return at::cat(tiles);
}

}  // namespace pivot
