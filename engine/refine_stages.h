// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REFINE_STAGES_H_
#define PIVOT_ENGINE_REFINE_STAGES_H_

// The stages behind the first pivot: each makes the newest one better, and is published only if it has.

#include <ATen/core/Tensor.h>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

#include "engine/ops/device.h"
#include "engine/pivot_maker.h"

namespace pivot {

struct RefinementInput {
  PivotContext context;
  const ComputeDevice* device = nullptr;
  bool asked_for = false;             // by name: a device without room for a stage fails it instead of leaving it out
  std::string shard_folder;           // of pivot 0
  Comparison first;                   // of pivot 0 on `measured`
  at::Tensor windows;                 // of calibration, [count, length] int64, two at least
  std::vector<int64_t> first_tokens;  // that the tokenizer puts before every text
  std::vector<at::Tensor> measured;   // windows that nothing is trained on
  nlohmann::json identity;            // of the work that made pivot 0
};

/// A better pivot, staged in its directory.
struct RefinedPivot {
  int number = 0;
  const MadePivot* made = nullptr;
  const Comparison* comparison = nullptr;
};

/// Runs the stages that the spec has, in order. `records` gets an entry of each for the report; `publish` is called for
/// each pivot that is better than the one before, by more than chance on the measured windows.
absl::Status RunRefinement(const RefinementInput& input, const JobHooks& hooks, nlohmann::json& records,
                           const std::function<absl::Status(const RefinedPivot&)>& publish);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REFINE_STAGES_H_
