// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_WARM_UP_H_
#define PIVOT_ENGINE_QUANTIZE_WARM_UP_H_

#include <future>

#include "engine/ops/device.h"

namespace pivot {

/// Has another thread load what a GPU's libraries and our kernels load when they are first used, by solving a small
/// group of layers, so that it happens while files are read. Destruction of the result waits. Nothing on the CPU. What
/// fails here fails again, and is told of, where it is used.
std::future<void> WarmUp(const ComputeDevice& device);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_WARM_UP_H_
