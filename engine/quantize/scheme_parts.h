// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_SCHEME_PARTS_H_
#define PIVOT_ENGINE_QUANTIZE_SCHEME_PARTS_H_

#include <vector>

#include "engine/calibration/block_pass.h"
#include "engine/format/model_schemes.h"

namespace pivot {

/// Layers of a group that have one scheme and are solved together.
struct SchemePart {
  WeightScheme scheme;
  SolverGroup group;
};

/// In the order of the group's members; members without a scheme are in no part.
std::vector<SchemePart> SplitByScheme(const ModelSchemes& schemes, int block, const SolverGroup& group);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_SCHEME_PARTS_H_
