// SPDX-License-Identifier: Apache-2.0
#include "engine/calibration/window_tiles.h"

#include <algorithm>

namespace pivot {

absl::Status ForEachTile(int64_t windows, const BlockPassOptions& options,
                         absl::FunctionRef<void(int64_t first, int64_t count)> body) {
  for (int64_t first = 0; first < windows; first += options.tile_windows) {
    if (options.is_cancelled && options.is_cancelled()) return absl::CancelledError("the job was cancelled");
    body(first, std::min(options.tile_windows, windows - first));
  }
  return absl::OkStatus();
}

}  // namespace pivot
