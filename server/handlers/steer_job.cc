// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "proto/files/crash_point.h"
#include "proto/status/status_macros.h"
#include "server/artifact/recovery.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

/// No worker ends that would: the job was queued or suspended.
void TidyAfter(const std::string& uid, Backend& backend) {
  const auto record = backend.store->ReadJob(uid, JobDetail::kShort);
  // Deleted since, or swept when the server starts again.
  if (record.ok()) TidyLater(record->staging_uid, backend.store, backend.data, backend.publishing);
}

absl::StatusOr<v1::Job> DoSteer(const std::string& name, Steer steer, const Access& access, Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobToChange(*backend.store, access, name, "name"));
  PIVOT_ASSIGN_OR_RETURN(const v1::State state, backend.store->SteerJob(uid, steer, backend.queue_limits));
  PIVOT_CRASH_POINT("steer.stored");
  if (state == v1::STATE_CANCELLING || state == v1::STATE_SUSPENDING) backend.supervisor->Heed(uid);
  if (state == v1::STATE_CANCELLED) TidyAfter(uid, backend);
  return ViewJob(*backend.store, *backend.hub, uid);
}

}  // namespace

absl::StatusOr<v1::Job> CancelJob(const v1::CancelJobRequest& request, const Access& access, Backend& backend) {
  return DoSteer(request.name(), Steer::kCancel, access, backend);
}

absl::StatusOr<v1::Job> SuspendJob(const v1::SuspendJobRequest& request, const Access& access, Backend& backend) {
  return DoSteer(request.name(), Steer::kSuspend, access, backend);
}

absl::StatusOr<v1::Job> ResumeJob(const v1::ResumeJobRequest& request, const Access& access, Backend& backend) {
  return DoSteer(request.name(), Steer::kResume, access, backend);
}

absl::StatusOr<v1::Job> RetryJob(const v1::RetryJobRequest& request, const Access& access, Backend& backend) {
  return DoSteer(request.name(), Steer::kRetry, access, backend);
}

}  // namespace pivot
