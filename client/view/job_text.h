// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_VIEW_JOB_TEXT_H_
#define PIVOT_CLIENT_VIEW_JOB_TEXT_H_

// Jobs as tables.

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "pivot/v1/job.pb.h"

namespace pivot::client {

/// One line a job: id, state, task, source, progress, age at `now`.
std::string RenderJobs(const std::vector<v1::Job>& jobs, absl::Time now);

/// Everything of one job but its plan's modules.
std::string RenderJob(const v1::Job& job);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_VIEW_JOB_TEXT_H_
