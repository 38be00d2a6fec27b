// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_CALIBRATION_WINDOW_TILES_H_
#define PIVOT_ENGINE_CALIBRATION_WINDOW_TILES_H_

// The steps of a pass over all windows.

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "engine/calibration/block_pass.h"

namespace pivot {

/// Calls `body` with the range of windows of each tile, in order. kCancelled when the job was cancelled between two.
absl::Status ForEachTile(int64_t windows, const BlockPassOptions& options,
                         absl::FunctionRef<void(int64_t first, int64_t count)> body);

}  // namespace pivot

#endif  // PIVOT_ENGINE_CALIBRATION_WINDOW_TILES_H_
