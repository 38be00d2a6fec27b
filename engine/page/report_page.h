// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_PAGE_REPORT_PAGE_H_
#define PIVOT_ENGINE_PAGE_REPORT_PAGE_H_

// pivot/report.html: report.json and plan.json to look at.

#include <string>

#include "nlohmann/json_fwd.hpp"

namespace pivot {

/// One HTML document that needs nothing else and runs nothing: styles and drawings are in it, every name is escaped.
/// What is absent or of another type is left out; equal input gives equal bytes, and they are bounded however large the
/// model is.
std::string ReportPage(const nlohmann::json& report, const nlohmann::json& plan);

}  // namespace pivot

#endif  // PIVOT_ENGINE_PAGE_REPORT_PAGE_H_
