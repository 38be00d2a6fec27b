// SPDX-License-Identifier: Apache-2.0
#include "proto/status/status_macros.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"

namespace pivot {

absl::StatusOr<v1::Job> GetJob(const v1::GetJobRequest& request, const Access& /*access*/, Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend.store, request.name(), "name"));
  return ViewJob(*backend.store, *backend.hub, uid);
}

}  // namespace pivot
