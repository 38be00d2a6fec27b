// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

absl::StatusOr<v1::Job> DoSteer(const std::string& name, Steer steer, Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend.store, name, "name"));
  PIVOT_ASSIGN_OR_RETURN(const v1::State state, backend.store->SteerJob(uid, steer, backend.max_queued));
  if (state == v1::STATE_CANCELLING || state == v1::STATE_SUSPENDING) backend.supervisor->Heed(uid);
  return ViewJob(*backend.store, *backend.hub, uid);
}

}  // namespace

absl::StatusOr<v1::Job> CancelJob(const v1::CancelJobRequest& request, Backend& backend) {
  return DoSteer(request.name(), Steer::kCancel, backend);
}

absl::StatusOr<v1::Job> SuspendJob(const v1::SuspendJobRequest& request, Backend& backend) {
  return DoSteer(request.name(), Steer::kSuspend, backend);
}

absl::StatusOr<v1::Job> ResumeJob(const v1::ResumeJobRequest& request, Backend& backend) {
  return DoSteer(request.name(), Steer::kResume, backend);
}

absl::StatusOr<v1::Job> RetryJob(const v1::RetryJobRequest& request, Backend& backend) {
  return DoSteer(request.name(), Steer::kRetry, backend);
}

}  // namespace pivot
