// SPDX-License-Identifier: Apache-2.0
// The part of Store that moves jobs from state to state.
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/names.h"
#include "server/store/books.h"
#include "server/store/reader.h"
#include "server/store/rows.h"
#include "server/store/store.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

// Ids of 50 random bits: a second try is all but never needed.
constexpr int kIdTries = 4;

absl::StatusOr<bool> IdIsTaken(WriteBatch& batch, absl::string_view project, absl::string_view id) {
  const auto uid = FindJobUid(batch.database, project, id);
  if (!uid.ok() && !absl::IsNotFound(uid.status())) return uid.status();
  return uid.ok();
}

absl::Status ChooseId(WriteBatch& batch, NewJob& job) {
  if (!job.id.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const bool taken, IdIsTaken(batch, job.project, job.id));
    return taken ? JobExists(FormatJobName(job.project, job.id)) : absl::OkStatus();
  }
  for (int i = 0; i < kIdTries; ++i) {
    job.id = NewJobId();
    PIVOT_ASSIGN_OR_RETURN(const bool taken, IdIsTaken(batch, job.project, job.id));
    if (!taken) return absl::OkStatus();
  }
  return absl::InternalError("no free job id was found");
}

std::optional<int64_t> Microseconds(const google::protobuf::Duration& duration) {
  return absl::ToInt64Microseconds(FromDuration(duration));
}

/// What many jobs are read without, and the rest. Serialized messages of one type may be put behind each other.
struct StoredPlan {
  std::string head;
  std::string modules;
};

/// The job's plan is without its modules then.
StoredPlan TakePlan(NewJob& job) {
  if (!job.plan.has_value()) return {};
  v1::Plan modules;
  modules.mutable_modules()->Swap(job.plan->mutable_modules());
  return {job.plan->SerializeAsString(), modules.SerializeAsString()};
}

absl::Status InsertJob(WriteBatch& batch, const NewJob& job, const StoredPlan& plan, const std::string& uid) {
  PIVOT_RETURN_IF_ERROR(batch.database.Run("INSERT INTO project (id, create_us) VALUES (?, ?) ON CONFLICT DO NOTHING",
                                           job.project, batch.now_us));
  const std::string spec = job.spec.SerializeAsString();
  const std::string device = job.spec.device().empty() ? "auto" : job.spec.device();
  const int priority = job.spec.priority() == 0 ? kDefaultPriority : job.spec.priority();
  PIVOT_RETURN_IF_ERROR(batch.database.Run(
      "INSERT INTO job (uid, project, id, state, state_reason, priority, device, spec_pb, spec_sha256, plan_pb, "
      "staging_uid, create_us, update_us, queue_us, queue_timeout_us, ttl_us, creator) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?12, ?13, ?14, ?15)",
      uid, job.project, job.id, v1::STATE_QUEUED, std::string("WAITING_FOR_DEVICE"), priority, device, Blob{spec},
      Sha256Of(spec), job.plan.has_value() ? std::optional(Blob{plan.head}) : std::nullopt,
      job.staging_uid.empty() ? uid : job.staging_uid, batch.now_us,
      job.spec.has_queue_timeout() ? Microseconds(job.spec.queue_timeout()) : std::nullopt,
      job.spec.has_ttl() ? Microseconds(job.spec.ttl()) : std::nullopt, job.creator));
  if (!plan.modules.empty()) {
    PIVOT_RETURN_IF_ERROR(
        batch.database.Run("INSERT INTO plan_modules (job_uid, modules_pb) VALUES (?, ?)", uid, Blob{plan.modules}));
  }
  PIVOT_RETURN_IF_ERROR(NoteNeeds(batch, uid, job));
  PIVOT_RETURN_IF_ERROR(InsertLabels(batch, uid, job.labels));
  if (job.request_id.empty()) return absl::OkStatus();
  return batch.database.Run(
      "INSERT INTO request (project, id, content_sha256, job_uid, create_us) VALUES (?, ?, ?, ?, ?)", job.project,
      job.request_id, job.content_sha256, uid, batch.now_us);
}

v1::JobEvent CreationEvent() {
  v1::JobEvent event;
  event.mutable_state_changed()->set_to(v1::STATE_QUEUED);
  event.mutable_state_changed()->set_reason("WAITING_FOR_DEVICE");
  return event;
}

/// The lease's new token; IsStateMovedOn when the device is taken.
absl::StatusOr<int64_t> TakeLease(WriteBatch& batch, const std::string& device, const QueuedJob& job) {
  Statement row = batch.database.Query(
      "INSERT INTO lease (device, token, job_uid, attempt, host_bytes, disk_bytes, run_us) VALUES (?, 1, ?, ?, ?, ?, "
      "?) "
      "ON CONFLICT (device) DO UPDATE SET token = token + 1, job_uid = excluded.job_uid, attempt = excluded.attempt, "
      "host_bytes = excluded.host_bytes, disk_bytes = excluded.disk_bytes, run_us = excluded.run_us "
      "WHERE lease.job_uid IS NULL RETURNING token",
      device, job.uid, job.attempt + 1, job.needs.host_bytes, job.needs.disk_bytes, ToMicros(job.needs.seconds));
  PIVOT_ASSIGN_OR_RETURN(const bool taken, row.Step());
  if (!taken) return StateMovedOn();
  return row.Integer(0);
}

struct LostAttempt {
  AttemptKey key;
  v1::State state = v1::STATE_UNSPECIFIED;
};

absl::StatusOr<std::vector<LostAttempt>> FindLostAttempts(Database& database) {
  std::vector<LostAttempt> lost;
  Statement rows = database.Query(
      "SELECT job.uid, job.attempt, attempt.token, job.state FROM job JOIN attempt "
      "ON attempt.job_uid = job.uid AND attempt.number = job.attempt WHERE job.state IN (?, ?, ?)",
      v1::STATE_RUNNING, v1::STATE_CANCELLING, v1::STATE_SUSPENDING);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return lost;
    lost.push_back(
        {{rows.Bytes(0), static_cast<int>(rows.Integer(1)), rows.Integer(2)}, static_cast<v1::State>(rows.Integer(3))});
  }
}

absl::Status CloseLostAttempt(WriteBatch& batch, const LostAttempt& lost) {
  PIVOT_ASSIGN_OR_RETURN(v1::Attempt attempt, LoadAttempt(batch.database, lost.key.job_uid, lost.key.number));
  attempt.set_cause("SERVER_DIED");
  v1::State next = v1::STATE_QUEUED;
  if (lost.state == v1::STATE_CANCELLING) next = v1::STATE_CANCELLED;
  if (lost.state == v1::STATE_SUSPENDING) next = v1::STATE_SUSPENDED;
  return CloseAttempt(batch, lost.key, lost.state, std::move(attempt), {.to = next, .reason = "SERVER_DIED"});
}

}  // namespace

absl::StatusOr<std::string> Store::CreateJob(NewJob job) {
  std::string uid;
  const StoredPlan plan = TakePlan(job);
  const absl::Status written = Write("create_job", [&](WriteBatch& batch) -> absl::Status {
    PIVOT_ASSIGN_OR_RETURN(uid, pivot::FindRequest(batch.database, job));
    if (!uid.empty()) return absl::OkStatus();
    PIVOT_RETURN_IF_ERROR(CheckRoom(batch, job.project, {job.max_queued, job.max_queued_of_project}));
    if (!job.staging_uid.empty()) {
      PIVOT_ASSIGN_OR_RETURN(const std::string user, FindStagingUser(batch.database, job.staging_uid, ""));
      if (!user.empty()) {
        return ResumeNotPossible(absl::StrCat(user, " goes on from these blocks already; watch that job instead"));
      }
    }
    PIVOT_RETURN_IF_ERROR(ChooseId(batch, job));
    uid = NewUid();
    PIVOT_RETURN_IF_ERROR(InsertJob(batch, job, plan, uid));
    ++batch.num_queued;
    return pivot::AppendEvent(batch, uid, CreationEvent());
  });
  if (!written.ok()) return written;
  return uid;
}

absl::StatusOr<AttemptKey> Store::Claim(const QueuedJob& job, const std::string& device,
                                        const std::string& device_name) {
  AttemptKey key{job.uid, job.attempt + 1, 0};
  const absl::Status written = Write("claim", [&](WriteBatch& batch) -> absl::Status {
    // First of all: it tells whether the job is still there to be claimed.
    PIVOT_RETURN_IF_ERROR(
        ChangeState(batch, {job.uid, v1::STATE_QUEUED, job.attempt}, {.to = v1::STATE_RUNNING, .reason = "STARTING"}));
    PIVOT_ASSIGN_OR_RETURN(key.token, TakeLease(batch, device, job));
    PIVOT_RETURN_IF_ERROR(NoteClaim(batch, job));
    v1::Attempt attempt;
    attempt.set_number(key.number);
    attempt.set_device(device_name);
    *attempt.mutable_start_time() = ToTimestamp(batch.now_us);
    const std::string bytes = attempt.SerializeAsString();
    return batch.database.Run(
        "INSERT INTO attempt (job_uid, number, device, token, start_us, attempt_pb) VALUES (?, ?, ?, ?, ?, ?)",
        key.job_uid, key.number, device_name, key.token, batch.now_us, Blob{bytes});
  });
  if (!written.ok()) return written;
  return key;
}

absl::Status Store::EndAttempt(const AttemptKey& key, v1::State from, v1::Attempt ended, const StateChange& change) {
  return Write("end_attempt",
               [&](WriteBatch& batch) { return CloseAttempt(batch, key, from, std::move(ended), change); });
}

absl::StatusOr<int> Store::EndLostAttempts() {
  int count = 0;
  const absl::Status written = Write("end_lost_attempts", [&](WriteBatch& batch) -> absl::Status {
    PIVOT_ASSIGN_OR_RETURN(const std::vector<LostAttempt> lost, FindLostAttempts(batch.database));
    for (const LostAttempt& attempt : lost) PIVOT_RETURN_IF_ERROR(CloseLostAttempt(batch, attempt));
    count = static_cast<int>(lost.size());
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  return count;
}

absl::Status Store::AppendEvent(const AttemptKey& key, v1::JobEvent event) {
  return Write("append_event", [&](WriteBatch& batch) -> absl::Status {
    if (event.has_attempt_started()) {
      // The job is no more STARTING. That is not a state of its own, so it needs no transition.
      PIVOT_RETURN_IF_ERROR(
          batch.database.Run("UPDATE job SET state_reason = '' WHERE uid = ? AND state = ? AND attempt = ?",
                             key.job_uid, v1::STATE_RUNNING, key.number));
    }
    return pivot::AppendEvent(batch, key.job_uid, std::move(event), &key);
  });
}

}  // namespace pivot
