// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_SUPPORT_PLACED_WINDOWS_H_
#define PIVOT_TESTS_ENGINE_SUPPORT_PLACED_WINDOWS_H_

// A tensor of windows, put where a test wants it and back.

#include <ATen/core/Tensor.h>
#include <cstdint>

#include "engine/calibration/window_tensor.h"

namespace pivot {

/// The values [windows, length, features], with only the first windows resident on their device.
WindowTensor Placed(const at::Tensor& values, int64_t tile_windows, int64_t resident_windows);

/// All values, read tile by tile.
at::Tensor Collected(const WindowTensor& tensor, int64_t tile_windows);

}  // namespace pivot

#endif  // PIVOT_TESTS_ENGINE_SUPPORT_PLACED_WINDOWS_H_
