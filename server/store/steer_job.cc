// SPDX-License-Identifier: Apache-2.0
// The part of Store that does what clients ask of jobs that exist.
#include <string>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/names.h"
#include "server/store/rows.h"
#include "server/store/store.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

const char* ReasonFor(Steer steer) {
  switch (steer) {
    case Steer::kCancel:
      return "CANCEL_REQUESTED";
    case Steer::kSuspend:
      return "SUSPEND_REQUESTED";
    case Steer::kResume:
      return "RESUME_REQUESTED";
    case Steer::kRetry:
      return "RETRY_REQUESTED";
  }
  return "";
}

struct Steered {
  std::string project;
  std::string name;
  std::string staging_uid;
  StateGuard guard;
};

absl::StatusOr<Steered> LoadSteered(Database& database, absl::string_view uid) {
  Statement row = database.Query("SELECT project, id, staging_uid, state, attempt FROM job WHERE uid = ?", uid);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return JobNotFound(uid);
  return Steered{
      row.Bytes(0), FormatJobName(row.Bytes(0), row.Bytes(1)), row.Bytes(2),
      StateGuard{std::string(uid), static_cast<v1::State>(row.Integer(3)), static_cast<int>(row.Integer(4))}};
}

absl::Status PrepareRetry(Database& database, const Steered& job) {
  // Its blocks may have gone to another job since it ended.
  PIVOT_ASSIGN_OR_RETURN(const std::string user, FindStagingUser(database, job.staging_uid, job.guard.job_uid));
  if (!user.empty()) {
    return IllegalState(
        absl::StrCat(user, " goes on from the blocks of ", job.name, "; watch that job, or cancel it first"));
  }
  return database.Run("UPDATE job SET retried_after = attempt WHERE uid = ?", job.guard.job_uid);
}

}  // namespace

absl::StatusOr<v1::State> Store::SteerJob(absl::string_view uid, Steer steer, const QueueLimits& limits) {
  v1::State state = v1::STATE_UNSPECIFIED;
  const absl::Status written = Write("steer_job", [&](WriteBatch& batch) -> absl::Status {
    PIVOT_ASSIGN_OR_RETURN(const Steered job, LoadSteered(batch.database, uid));
    PIVOT_ASSIGN_OR_RETURN(state, StateAfter(steer, job.guard.from, job.name));
    if (state == job.guard.from) return absl::OkStatus();
    if (state == v1::STATE_QUEUED) PIVOT_RETURN_IF_ERROR(CheckRoom(batch, job.project, limits));
    if (steer == Steer::kRetry) PIVOT_RETURN_IF_ERROR(PrepareRetry(batch.database, job));
    return ChangeState(batch, job.guard, {.to = state, .reason = ReasonFor(steer)});
  });
  if (!written.ok()) return written;
  return state;
}

}  // namespace pivot
