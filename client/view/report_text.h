// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_REPORT_TEXT_H_
#define PIVOT_CLIENT_VIEW_REPORT_TEXT_H_

// pivot/report.json for people.

#include <string>

#include "nlohmann/json_fwd.hpp"

#include "client/view/plain_lines.h"

namespace pivot::client {

/// Quality before and after, stages, blocks, the worst layers; every layer with Detail::kAll. Absent keys are left out.
std::string RenderReport(const nlohmann::json& report, Detail detail);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_REPORT_TEXT_H_
