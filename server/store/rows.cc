// SPDX-License-Identifier: Apache-2.0
#include "server/store/rows.h"

#include <optional>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/names.h"
#include "server/store/books.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

using google::protobuf::MessageLite;

absl::Status Parse(const Statement& row, int column, MessageLite* message) {
  if (row.IsNull(column) || message->ParseFromString(row.Bytes(column))) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the database: a stored ", message->GetTypeName(), " cannot be read"));
}

absl::Status LoadAttempts(Database& database, absl::string_view uid, JobDetail detail, v1::Job* job) {
  Statement rows = database.Query("SELECT attempt_pb FROM attempt WHERE job_uid = ? ORDER BY number", uid);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return absl::OkStatus();
    v1::Attempt* attempt = job->add_attempts();
    PIVOT_RETURN_IF_ERROR(Parse(rows, 0, attempt));
    if (detail == JobDetail::kShort) attempt->clear_log_tail();
  }
}

absl::Status LoadCheckpoints(Database& database, absl::string_view uid, v1::Job* job) {
  Statement rows = database.Query("SELECT checkpoint_pb FROM checkpoint WHERE job_uid = ? ORDER BY number", uid);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return absl::OkStatus();
    PIVOT_RETURN_IF_ERROR(Parse(rows, 0, job->add_checkpoints()));
  }
}

absl::Status LoadPlanModules(Database& database, absl::string_view uid, v1::Job* job) {
  Statement row = database.Query("SELECT modules_pb FROM plan_modules WHERE job_uid = ?", uid);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found || job->mutable_plan()->MergeFromString(row.Bytes(0))) return absl::OkStatus();
  return absl::DataLossError("the database: a stored plan cannot be read");
}

absl::Status LoadLabels(Database& database, absl::string_view uid, v1::Job* job) {
  Statement rows = database.Query("SELECT key, value FROM label WHERE job_uid = ?", uid);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return absl::OkStatus();
    (*job->mutable_labels())[rows.Bytes(0)] = rows.Bytes(1);
  }
}

/// Messages that are there only when their column is.
absl::Status LoadMessages(const Statement& row, v1::Job* job) {
  PIVOT_RETURN_IF_ERROR(Parse(row, 0, job->mutable_spec()));
  if (!row.IsNull(1)) PIVOT_RETURN_IF_ERROR(Parse(row, 1, job->mutable_plan()));
  if (!row.IsNull(2)) PIVOT_RETURN_IF_ERROR(Parse(row, 2, job->mutable_result()));
  if (!row.IsNull(3)) PIVOT_RETURN_IF_ERROR(Parse(row, 3, job->mutable_error()));
  return absl::OkStatus();
}

void LoadTimes(const Statement& row, int first_column, v1::Job* job) {
  *job->mutable_create_time() = ToTimestamp(row.Integer(first_column));
  if (!row.IsNull(first_column + 1)) *job->mutable_start_time() = ToTimestamp(row.Integer(first_column + 1));
  if (!row.IsNull(first_column + 2)) *job->mutable_end_time() = ToTimestamp(row.Integer(first_column + 2));
  *job->mutable_update_time() = ToTimestamp(row.Integer(first_column + 3));
}

void LoadLimits(const Statement& row, int first_column, v1::Job* job) {
  if (!row.IsNull(first_column)) *job->mutable_queue_timeout() = ToDuration(row.Integer(first_column));
  if (row.IsNull(first_column + 1)) return;
  const int64_t ttl_us = row.Integer(first_column + 1);
  *job->mutable_ttl() = ToDuration(ttl_us);
  if (!job->has_end_time()) return;
  const int64_t end_us = job->end_time().seconds() * 1000000 + job->end_time().nanos() / 1000;
  *job->mutable_expire_time() = ToTimestamp(end_us + ttl_us);
}

/// job.last_seq grown by one, if the fence allows; the row is (last_seq, project, id, attempt).
Statement TakeSequence(WriteBatch& batch, absl::string_view job_uid, const AttemptKey* fence) {
  if (fence == nullptr) {
    return batch.database.Query(
        "UPDATE job SET last_seq = last_seq + 1, update_us = ?2 WHERE uid = ?1 "
        "RETURNING last_seq, project, id, attempt",
        job_uid, batch.now_us);
  }
  return batch.database.Query(
      "UPDATE job SET last_seq = last_seq + 1, update_us = ?2 WHERE uid = ?1 AND attempt = ?3 AND EXISTS "
      "(SELECT 1 FROM lease WHERE job_uid = ?1 AND attempt = ?3 AND token = ?4) "
      "RETURNING last_seq, project, id, attempt",
      job_uid, batch.now_us, fence->number, fence->token);
}

std::optional<std::string> Serialized(const std::optional<v1::Result>& message) {
  return message.has_value() ? std::optional(message->SerializeAsString()) : std::nullopt;
}

std::optional<std::string> Serialized(const std::optional<google::rpc::Status>& message) {
  return message.has_value() ? std::optional(message->SerializeAsString()) : std::nullopt;
}

std::optional<Blob> AsBlob(const std::optional<std::string>& bytes) {
  return bytes.has_value() ? std::optional(Blob{*bytes}) : std::nullopt;
}

}  // namespace

absl::StatusOr<JobRecord> LoadJob(Database& database, absl::string_view uid, JobDetail detail) {
  Statement row = database.Query(
      "SELECT spec_pb, plan_pb, result_pb, error_pb, create_us, start_us, end_us, update_us, "
      "project, id, state, state_reason, attempt, last_seq, staging_uid, retried_after, priority, revision, "
      "queue_timeout_us, ttl_us, creator FROM job WHERE uid = ?",
      uid);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return JobNotFound(uid);
  JobRecord record{
      .project = row.Bytes(8), .staging_uid = row.Bytes(14), .retried_after = static_cast<int>(row.Integer(15))};
  v1::Job& job = record.job;
  PIVOT_RETURN_IF_ERROR(LoadMessages(row, &job));
  if (detail == JobDetail::kFull && job.has_plan()) PIVOT_RETURN_IF_ERROR(LoadPlanModules(database, uid, &job));
  // Servers before this one kept them in the same place.
  if (detail == JobDetail::kShort && job.has_plan()) job.mutable_plan()->clear_modules();
  LoadTimes(row, 4, &job);
  job.set_name(FormatJobName(record.project, row.Bytes(9)));
  job.set_uid(std::string(uid));
  job.set_state(static_cast<v1::State>(row.Integer(10)));
  job.set_state_reason(row.Bytes(11));
  job.set_attempt(static_cast<int>(row.Integer(12)));
  job.set_last_seq(static_cast<uint64_t>(row.Integer(13)));
  job.set_priority(static_cast<int>(row.Integer(16)));
  job.set_etag(FormatEtag(uid, row.Integer(17)));
  LoadLimits(row, 18, &job);
  job.set_creator(row.Bytes(20));
  PIVOT_RETURN_IF_ERROR(LoadLabels(database, uid, &job));
  PIVOT_RETURN_IF_ERROR(LoadAttempts(database, uid, detail, &job));
  PIVOT_RETURN_IF_ERROR(LoadCheckpoints(database, uid, &job));
  return record;
}

absl::StatusOr<std::string> FindJobUid(Database& database, absl::string_view project, absl::string_view id) {
  Statement row = database.Query("SELECT uid FROM job WHERE project = ? AND id = ?", project, id);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return absl::NotFoundError("no such job");
  return row.Bytes(0);
}

absl::StatusOr<JobHead> LoadJobHead(Database& database, absl::string_view uid) {
  Statement row = database.Query("SELECT state, attempt, last_seq FROM job WHERE uid = ?", uid);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return JobNotFound(uid);
  return JobHead{static_cast<v1::State>(row.Integer(0)), static_cast<int>(row.Integer(1)),
                 static_cast<uint64_t>(row.Integer(2))};
}

absl::StatusOr<v1::Attempt> LoadAttempt(Database& database, absl::string_view job_uid, int number) {
  Statement row = database.Query("SELECT attempt_pb FROM attempt WHERE job_uid = ? AND number = ?", job_uid, number);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return absl::NotFoundError("no such attempt");
  v1::Attempt attempt;
  PIVOT_RETURN_IF_ERROR(Parse(row, 0, &attempt));
  return attempt;
}

absl::StatusOr<std::string> FindRequest(Database& database, const NewJob& job) {
  if (job.request_id.empty()) return std::string();
  Statement row = database.Query("SELECT content_sha256, job_uid FROM request WHERE project = ? AND id = ?",
                                 job.project, job.request_id);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::string();
  if (row.Bytes(0) != job.content_sha256) return RequestIdReused(job.request_id);
  if (row.IsNull(1)) return JobDeleted(job.request_id);
  return row.Bytes(1);
}

absl::StatusOr<std::string> FindStagingUser(Database& database, absl::string_view staging_uid,
                                            absl::string_view except_uid) {
  Statement row =
      database.Query("SELECT project, id FROM job WHERE staging_uid = ? AND uid != ? AND state NOT IN (?, ?, ?)",
                     staging_uid, except_uid, v1::STATE_SUCCEEDED, v1::STATE_FAILED, v1::STATE_CANCELLED);
  PIVOT_ASSIGN_OR_RETURN(const bool used, row.Step());
  return used ? FormatJobName(row.Bytes(0), row.Bytes(1)) : std::string();
}

absl::Status CheckRoom(const WriteBatch& batch, absl::string_view project, const QueueLimits& limits) {
  if (batch.num_queued >= limits.total) return QueueFull(limits.total);
  if (batch.num_queued < limits.of_project) return absl::OkStatus();
  Statement own =
      batch.database.Query("SELECT count(*) FROM job WHERE project = ? AND state = ?", project, v1::STATE_QUEUED);
  PIVOT_RETURN_IF_ERROR(own.Step().status());
  if (own.Integer(0) < limits.of_project) return absl::OkStatus();
  return QuotaExceeded(absl::StrCat(limits.of_project, " jobs of projects/", project,
                                    " are waiting, the most that one project may have; try again later"));
}

std::string FormatEtag(absl::string_view uid, int64_t revision) { return absl::StrCat(uid, ".", revision); }

absl::Status InsertLabels(WriteBatch& batch, absl::string_view uid, const std::map<std::string, std::string>& labels) {
  for (const auto& [key, value] : labels) {
    PIVOT_RETURN_IF_ERROR(
        batch.database.Run("INSERT INTO label (job_uid, key, value) VALUES (?, ?, ?)", uid, key, value));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> TakeProjectSequence(WriteBatch& batch, absl::string_view project) {
  Statement row =
      batch.database.Query("UPDATE project SET last_seq = last_seq + 1 WHERE id = ? RETURNING last_seq", project);
  PIVOT_RETURN_IF_ERROR(row.Step().status());
  return row.Integer(0);
}

absl::Status AppendEvent(WriteBatch& batch, absl::string_view job_uid, v1::JobEvent event, const AttemptKey* fence) {
  Statement job = TakeSequence(batch, job_uid, fence);
  PIVOT_ASSIGN_OR_RETURN(const bool found, job.Step());
  if (!found) return StateMovedOn();
  const std::string project = job.Bytes(1);
  event.set_seq(static_cast<uint64_t>(job.Integer(0)));
  event.set_job(FormatJobName(project, job.Bytes(2)));
  event.set_attempt(static_cast<int>(job.Integer(3)));
  *event.mutable_time() = ToTimestamp(batch.now_us);
  PIVOT_ASSIGN_OR_RETURN(const int64_t project_seq, TakeProjectSequence(batch, project));
  const std::string bytes = event.SerializeAsString();
  PIVOT_RETURN_IF_ERROR(batch.database.Run(
      "INSERT INTO event (job_uid, seq, project, project_seq, time_us, event_pb) VALUES (?, ?, ?, ?, ?, ?)", job_uid,
      event.seq(), project, project_seq, batch.now_us, Blob{bytes}));
  event.set_project_seq(static_cast<uint64_t>(project_seq));
  batch.events.emplace_back(std::string(job_uid), std::move(event));
  return absl::OkStatus();
}

absl::Status ChangeState(WriteBatch& batch, const StateGuard& guard, const StateChange& change) {
  if (!MayFollow(guard.from, change.to)) {
    return IllegalState(absl::StrCat("a job that is ", StateText(guard.from), " cannot become ", StateText(change.to)));
  }
  const bool starts = change.to == v1::STATE_RUNNING;
  const int64_t start_us = starts ? batch.now_us : 0;
  const int64_t end_us = IsTerminal(change.to) ? batch.now_us : 0;
  const int64_t queue_us = change.to == v1::STATE_QUEUED ? batch.now_us : 0;
  const std::optional<std::string> error = Serialized(change.error);
  const std::optional<std::string> result = Serialized(change.result);
  PIVOT_RETURN_IF_ERROR(batch.database.Run(
      "UPDATE job SET state = ?4, state_reason = ?5, attempt = attempt + ?6, revision = revision + 1, "
      "start_us = coalesce(start_us, nullif(?7, 0)), end_us = nullif(?8, 0), error_pb = ?9, result_pb = ?10, "
      "queue_us = coalesce(nullif(?11, 0), queue_us) WHERE uid = ?1 AND state = ?2 AND attempt = ?3",
      guard.job_uid, guard.from, guard.attempt, change.to, change.reason, starts ? 1 : 0, start_us, end_us,
      AsBlob(error), AsBlob(result), queue_us));
  if (batch.database.num_changed() == 0) return StateMovedOn();
  if (guard.from == v1::STATE_QUEUED) --batch.num_queued;
  if (change.to == v1::STATE_QUEUED) ++batch.num_queued;
  v1::JobEvent event;
  event.mutable_state_changed()->set_from(guard.from);
  event.mutable_state_changed()->set_to(change.to);
  event.mutable_state_changed()->set_reason(change.reason);
  return AppendEvent(batch, guard.job_uid, std::move(event));
}

absl::Status CloseAttempt(WriteBatch& batch, const AttemptKey& key, v1::State from, v1::Attempt ended,
                          const StateChange& change) {
  PIVOT_RETURN_IF_ERROR(
      batch.database.Run("UPDATE lease SET job_uid = NULL, attempt = NULL, host_bytes = 0, disk_bytes = 0, run_us = 0 "
                         "WHERE job_uid = ? AND attempt = ? AND token = ?",
                         key.job_uid, key.number, key.token));
  if (batch.database.num_changed() == 0) return StateMovedOn();
  PIVOT_RETURN_IF_ERROR(ChargeAttempt(batch, key, ended));
  *ended.mutable_end_time() = ToTimestamp(batch.now_us);
  const std::string bytes = ended.SerializeAsString();
  PIVOT_RETURN_IF_ERROR(
      batch.database.Run("UPDATE attempt SET end_us = ?, attempt_pb = ? WHERE job_uid = ? AND number = ?", batch.now_us,
                         Blob{bytes}, key.job_uid, key.number));
  v1::JobEvent event;
  *event.mutable_attempt_ended()->mutable_attempt() = std::move(ended);
  PIVOT_RETURN_IF_ERROR(AppendEvent(batch, key.job_uid, std::move(event)));
  return ChangeState(batch, {key.job_uid, from, key.number}, change);
}

}  // namespace pivot
