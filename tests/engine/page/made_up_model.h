// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_ENGINE_PAGE_MADE_UP_MODEL_H_
#define PIVOT_TESTS_ENGINE_PAGE_MADE_UP_MODEL_H_

// report.json and plan.json of models that never were.

#include "nlohmann/json.hpp"

namespace pivot::page {

struct MadeUpModel {
  int num_blocks = 30;
  int num_experts = 0;   // of each block; 0: it has an MLP
  bool is_mixed = true;  // bits differ from layer to layer: 2 to 8, and kept
};

struct MadeUpFiles {
  nlohmann::json report;
  nlohmann::json plan;
};

/// Four layers of attention, three of the MLP or of each expert, in every block; all of them in the plan.
MadeUpFiles MakeUp(const MadeUpModel& model);

/// Curves of three uniform models and two plans, and two probes.
nlohmann::json MadeUpAllocation();

}  // namespace pivot::page

#endif  // PIVOT_TESTS_ENGINE_PAGE_MADE_UP_MODEL_H_
