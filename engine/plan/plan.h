// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PLAN_PLAN_H_
#define PIVOT_ENGINE_PLAN_PLAN_H_

// The plan of a compress job: bits of every module, bytes of what will be written, and what the work needs.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

#include "engine/format/model_schemes.h"
#include "engine/plan/compress_spec.h"
#include "engine/plan/measure_work.h"
#include "engine/plan/work.h"

namespace pivot {

struct ModulePlan {
  std::string name;
  std::optional<WeightScheme> scheme;  // nothing: kept as it is, or
  bool is_narrow = false;              // an end in 8-bit floats
  int64_t bytes = 0;
};

struct Plan {
  std::vector<ModulePlan> modules;  // of the blocks, and narrow ends
  int64_t total_bytes = 0;          // shards, index, config and copied files; exact
  double bits_per_weight = 0;
  double model_bits_per_weight = 0;
  CompressWork work;
  CompressMemory memory;
  MeasureWork measure;   // in memory already
  RefineOptions refine;  // stages decided; in memory already
};

/// Of these schemes, from headers alone; no weight is read. The source is one that OpenOriginal has opened.
absl::StatusOr<Plan> MakePlan(const ModelFolder& source, const CompressSpec& spec, const ModelSchemes& schemes,
                              DeviceKind device);

/// The same of PlannedSchemes.
absl::StatusOr<Plan> MakePlan(const ModelFolder& source, const CompressSpec& spec, DeviceKind device);

/// What a server or a person is told, in the JSON form of pivot.v1.Plan.
nlohmann::json PlanToJson(const Plan& plan, const ModelFolder& source, const CompressSpec& spec, DeviceKind device);

/// pivot/plan.json of the output folder: the part that decides the bytes, and nothing of the machine.
std::string PlanFileJson(const Plan& plan, const ModelFolder& source, const CompressSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PLAN_PLAN_H_
