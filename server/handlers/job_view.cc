// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/job_view.h"

#include <optional>
#include <utility>

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/store/transition.h"

namespace pivot {

absl::StatusOr<std::string> FindJobUid(Store& store, absl::string_view name, absl::string_view field) {
  PIVOT_ASSIGN_OR_RETURN(const JobName parsed, ParseJobName(name, field));
  auto uid = store.FindJob(parsed.project, parsed.job);
  if (absl::IsNotFound(uid.status())) return JobNotFound(name);
  return uid;
}

absl::StatusOr<std::string> FindJobToChange(Store& store, const Access& access, absl::string_view name,
                                            absl::string_view field) {
  PIVOT_ASSIGN_OR_RETURN(std::string uid, FindJobUid(store, name, field));
  if (access.reach == Reach::kAll) return uid;
  PIVOT_ASSIGN_OR_RETURN(const JobRecord record, store.ReadJob(uid, JobDetail::kShort));
  PIVOT_RETURN_IF_ERROR(CheckCreator(access, record.job.creator()));
  return uid;
}

absl::StatusOr<v1::Job> ViewJob(Store& store, const Hub& hub, absl::string_view uid) {
  PIVOT_ASSIGN_OR_RETURN(JobRecord record, store.ReadJob(uid));
  AddProgress(hub, &record.job);
  return std::move(record.job);
}

void AddProgress(const Hub& hub, v1::Job* job) {
  if (IsTerminal(job->state())) return;
  const std::optional<LiveProgress> live = hub.Progress(job->uid());
  if (live.has_value() && live->attempt == job->attempt()) *job->mutable_progress() = live->progress;
}

absl::StatusOr<CheckpointRecord> FindCheckpoint(Store& store, absl::string_view name, absl::string_view field) {
  PIVOT_ASSIGN_OR_RETURN(const CheckpointName parsed, ParseCheckpointName(name, field));
  const auto uid = store.FindJob(parsed.job.project, parsed.job.job);
  if (absl::IsNotFound(uid.status())) return CheckpointNotFound(name);
  PIVOT_RETURN_IF_ERROR(uid.status());
  auto checkpoint = store.ReadCheckpoint(*uid, parsed.number);
  if (absl::IsNotFound(checkpoint.status())) return CheckpointNotFound(name);
  return checkpoint;
}

absl::Status ExplainDamage(const absl::Status& damage, Store& store, const CheckpointRecord& checkpoint) {
  if (!absl::IsDataLoss(damage)) return damage;
  // Another job may have the name by now, so the number alone says nothing.
  const auto now = FindCheckpoint(store, checkpoint.ref.name(), "name");
  if (now.ok() && now->object == checkpoint.object) return damage;
  return now.ok() || absl::IsNotFound(now.status()) ? CheckpointNotFound(checkpoint.ref.name()) : now.status();
}

}  // namespace pivot
