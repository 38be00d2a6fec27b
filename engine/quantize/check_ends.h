// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_CHECK_ENDS_H_
#define PIVOT_ENGINE_QUANTIZE_CHECK_ENDS_H_

#include "absl/status/status.h"

#include "engine/format/narrow_ends.h"
#include "engine/forward/weights.h"

namespace pivot {

/// Before hours of work: whether 8-bit floats have room for the matrices that are to be narrow. kInvalidArgument
/// (MALFORMED_WEIGHTS) with the tensor. May throw what ATen throws.
absl::Status CheckEnds(const WeightReader& source, NarrowEnds ends);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_CHECK_ENDS_H_
