// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/linear_report.h"

#include <map>

#include "absl/strings/str_cat.h"

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
  if (report.use.has_value()) {
    entry["tokens"] = report.use->num_tokens;
    entry["fallback"] = std::string(ExpertFallbackName(report.use->fallback));
  }
  return entry;
}

std::string DescribeFallbacks(const nlohmann::json& entries) {
  const std::string none(ExpertFallbackName(ExpertFallback::kNone));
  std::map<std::string, int> counts;
  int total = 0;
  for (const nlohmann::json& entry : entries) {
    if (!entry.contains("fallback")) continue;
    ++total;
    ++counts[entry["fallback"].get<std::string>()];
  }
  const int starved = total - counts[none];
  if (starved == 0) return "";
  counts.erase(none);
  std::string by_name;
  for (const auto& [name, count] : counts) absl::StrAppend(&by_name, by_name.empty() ? "" : ", ", count, " ", name);
  return absl::StrCat(starved, " of ", total, " layers of experts had too few calibration tokens (", by_name, ")");
}

}  // namespace pivot
