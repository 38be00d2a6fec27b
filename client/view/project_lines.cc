// SPDX-License-Identifier: Apache-2.0
#include "client/view/project_lines.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "client/jobs.h"
#include "client/view/units.h"

namespace pivot::client {

std::string ProjectLines::LineOf(const v1::JobEvent& event, absl::Time now) {
  const auto shown = jobs_.try_emplace(event.job(), Shown{JobView{.job = event.job()}, PlainLines(detail_)}).first;
  Apply(event, &shown->second.view);
  const std::string line = shown->second.lines.LineOf(event, shown->second.view, now);
  const bool is_over = event.has_job_deleted() || (event.has_state_changed() && IsTerminal(event.state_changed().to()));
  if (is_over) jobs_.erase(shown);
  if (line.empty()) return "";
  const absl::Time time = absl::FromUnixSeconds(event.time().seconds());
  return absl::StrCat(absl::FormatTime("%H:%M:%S", time, absl::UTCTimeZone()), " ", Printable(ShortName(event.job())),
                      ": ", line);
}

}  // namespace pivot::client
