// SPDX-License-Identifier: Apache-2.0
#include "proto/status/status_macros.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"

namespace pivot {

absl::StatusOr<v1::Job> CancelJob(const v1::CancelJobRequest& request, Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend.store, request.name(), "name"));
  PIVOT_ASSIGN_OR_RETURN(const v1::State state, backend.store->CancelJob(uid));
  if (state == v1::STATE_CANCELLING) backend.supervisor->Cancel(uid);
  return ViewJob(*backend.store, *backend.hub, uid);
}

}  // namespace pivot
