// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_REPORT_H_
#define PIVOT_ENGINE_REPORT_H_

// pivot/report.json: everything that was measured while a model was compressed.

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

#include "engine/calibration/calibration_set.h"
#include "engine/evaluate/quality.h"
#include "engine/ops/device.h"
#include "engine/plan/plan.h"

namespace pivot {

struct StageReport {
  std::string name;
  double seconds = 0;
  double flops = 0;  // of its matrix products
};

struct PivotReport {
  std::string stage;  // that made it
  std::optional<Comparison> comparison;
  double seconds = 0;  // since the job began
};

struct Report {
  std::string job;
  ComputeDevice device;
  MemoryUse memory;
  CalibrationSet calibration;  // empty for Method::kRtn
  TokenizedText evaluation;
  std::vector<StageReport> stages;
  std::vector<nlohmann::json> blocks;
  nlohmann::json allocation;        // MeasuredPlan::report; null of plans that are not measured
  std::vector<PivotReport> pivots;  // by number
  nlohmann::json refinement;        // an entry for each stage behind the first pivot; null: none ran
  std::optional<double>
      reload_kl;  // of the first folder, opened again, against the model in memory; nothing: not compared
  double seconds = 0;
};

std::string ReportJson(const Report& report, const Plan& plan, const ModelFolder& source, const CompressSpec& spec);

}  // namespace pivot

#endif  // PIVOT_ENGINE_REPORT_H_
