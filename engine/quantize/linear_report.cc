// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/linear_report.h"

namespace pivot {

nlohmann::json ToJson(const std::string& name, const WeightScheme& scheme, const LinearReport& report) {
  nlohmann::json entry{{"name", name},
                       {"type", std::string(CodeTypeName(scheme.type))},
                       {"bits", scheme.bits},
                       {"group_size", scheme.group_size},
                       {"loss", report.loss},
                       {"relative_error", report.energy > 0 ? report.loss / report.energy : 0.0},
                       {"correction", report.correction},
                       {"percdamp", report.percdamp},
                       {"dead_columns", report.dead_columns}};
  if (report.output_error.has_value()) entry["output_error"] = *report.output_error;
  return entry;
}

}  // namespace pivot
