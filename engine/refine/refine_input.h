// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_REFINE_INPUT_H_
#define PIVOT_ENGINE_REFINE_REFINE_INPUT_H_

// What a stage of refinement goes on from, and where it leaves its shards.

#include <ATen/core/Tensor.h>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

#include "engine/format/model_schemes.h"
#include "engine/forward/weights.h"
#include "engine/plan/compress_spec.h"
#include "engine/plan/output_layout.h"
#include "engine/refine/refine_text.h"

namespace pivot {

struct RefineInput {
  const WeightReader* source = nullptr;  // the original model
  const CompressSpec* spec = nullptr;
  const ModelSchemes* schemes = nullptr;
  const std::vector<OutputShard>* shards = nullptr;  // one for each block, in order, and the rest
  std::string from_folder;                           // shards of the checkpoint that is made better
  std::string to_folder;                             // where those of the better one go, under the same names
  RefineText text;
  std::string journal_path;
  nlohmann::json identity;  // of the work, WorkIdentity with the shards that it begins with
};

struct RefineResult {
  std::vector<nlohmann::json> records;  // of blocks or epochs, for the report
  at::Tensor state;                     // [1, length, hidden]: the first window behind the last block
};

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_REFINE_INPUT_H_
