// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_CPU_MEMORY_H_
#define PIVOT_ENGINE_PLAN_CPU_MEMORY_H_

// Memory of a compress job that computes on the CPU.

#include <cstdint>

#include "engine/model/model_config.h"
#include "engine/plan/compress_spec.h"

namespace pivot {

/// Bytes that are resident at most: the program and its tokenizer, and the larger of what the layer-wise stage, the
/// folder that is put together and compared, and the evaluation take, each with the pages of files that are mapped
/// then. Tensors below the size from which the allocator maps them count for more than they hold, since it keeps what
/// they leave.
int64_t CpuMemoryOf(const ModelConfig& config, const CompressSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_CPU_MEMORY_H_
