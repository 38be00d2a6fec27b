// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_JOB_VIEW_H_
#define PIVOT_SERVER_HANDLERS_JOB_VIEW_H_

// A job as clients see it.

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/job.pb.h"

#include "server/hub.h"
#include "server/identity/access.h"
#include "server/names.h"
#include "server/store/store.h"

namespace pivot {

/// The uid of "projects/{project}/jobs/{job}" in the request's `field`. INVALID_NAME or JOB_NOT_FOUND.
absl::StatusOr<std::string> FindJobUid(Store& store, absl::string_view name, absl::string_view field);

/// The same, for a call that changes the job: ACCESS_DENIED when the caller may change only jobs that he has created.
absl::StatusOr<std::string> FindJobToChange(Store& store, const Access& access, absl::string_view name,
                                            absl::string_view field);

/// With its newest progress.
absl::StatusOr<v1::Job> ViewJob(Store& store, const Hub& hub, absl::string_view uid);

void AddProgress(const Hub& hub, v1::Job* job);

/// Of "projects/{project}/jobs/{job}/checkpoints/{number}". INVALID_NAME or CHECKPOINT_NOT_FOUND.
absl::StatusOr<CheckpointRecord> FindCheckpoint(Store& store, absl::string_view name, absl::string_view field);

/// `damage` of a checkpoint's file, or CHECKPOINT_NOT_FOUND when its job was deleted after the checkpoint was found.
absl::Status ExplainDamage(const absl::Status& damage, Store& store, const CheckpointRecord& checkpoint);

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_JOB_VIEW_H_
