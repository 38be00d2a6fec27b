// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_QUANTIZE_LINEAR_REPORT_H_
#define PIVOT_ENGINE_QUANTIZE_LINEAR_REPORT_H_

// What quantizing did to a layer.

#include <cstdint>
#include <optional>
#include <string>

#include "nlohmann/json.hpp"

#include "engine/calibration/expert_use.h"
#include "engine/format/weight_scheme.h"

namespace pivot {

struct LinearReport {
  double loss = 0;        // tr((W-Q) H (W-Q)ᵀ), W after the correction
  double energy = 0;      // tr(W H Wᵀ), W before the correction
  double correction = 0;  // relative change by error propagation
  /// ||W Xᵀ - Q X̂ᵀ||^2 / ||W Xᵀ||^2: the layer's output in the quantized model beside the original's. Known where both
  /// streams are.
  std::optional<double> output_error;
  double percdamp = 0;  // of the factorization, as used in the end
  int64_t dead_columns = 0;
  std::optional<ExpertUse> use;  // of an expert's layer that was calibrated
};

/// The layer's entry of the report.
nlohmann::json ToJson(const std::string& name, const WeightScheme& scheme, const LinearReport& report);

/// "5 of 24 layers of experts had too few calibration tokens (2 all_experts, 3 shared)", from a block's entries; empty
/// when there are none.
std::string DescribeFallbacks(const nlohmann::json& entries);

}  // namespace pivot

#endif  // PIVOT_ENGINE_QUANTIZE_LINEAR_REPORT_H_
