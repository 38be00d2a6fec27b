// SPDX-License-Identifier: Apache-2.0
// The part of Store that changes jobs besides their state, and deletes them.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/names.h"
#include "server/store/rows.h"
#include "server/store/store.h"
#include "server/store/transition.h"

namespace pivot {
namespace {

constexpr absl::Duration kTombstoneLife = absl::Hours(7 * 24);

struct EditedJob {
  std::string project;
  std::string id;
  std::string name;
  std::string staging_uid;
  v1::State state = v1::STATE_UNSPECIFIED;
};

/// The job, if the etag is its own.
absl::StatusOr<EditedJob> LoadEdited(Database& database, absl::string_view uid, absl::string_view etag) {
  Statement row = database.Query("SELECT project, id, staging_uid, state, revision FROM job WHERE uid = ?", uid);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return JobNotFound(uid);
  EditedJob job{row.Bytes(0), row.Bytes(1), FormatJobName(row.Bytes(0), row.Bytes(1)), row.Bytes(2),
                static_cast<v1::State>(row.Integer(3))};
  const std::string now = FormatEtag(uid, row.Integer(4));
  if (!etag.empty() && etag != now) return EtagMismatch(job.name, now);
  return job;
}

absl::StatusOr<std::vector<std::string>> ReadObjectsOf(Database& database, absl::string_view uid) {
  std::vector<std::string> objects;
  Statement rows = database.Query("SELECT object FROM checkpoint WHERE job_uid = ?", uid);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return objects;
    objects.push_back(rows.Bytes(0));
  }
}

absl::Status DeleteRows(WriteBatch& batch, absl::string_view uid) {
  Database& database = batch.database;
  PIVOT_RETURN_IF_ERROR(database.Run("DELETE FROM event WHERE job_uid = ?", uid));
  PIVOT_RETURN_IF_ERROR(database.Run("DELETE FROM attempt WHERE job_uid = ?", uid));
  PIVOT_RETURN_IF_ERROR(database.Run("DELETE FROM checkpoint WHERE job_uid = ?", uid));
  PIVOT_RETURN_IF_ERROR(database.Run("DELETE FROM label WHERE job_uid = ?", uid));
  PIVOT_RETURN_IF_ERROR(database.Run("DELETE FROM plan_modules WHERE job_uid = ?", uid));
  PIVOT_RETURN_IF_ERROR(
      database.Run("UPDATE request SET job_uid = NULL, delete_us = ? WHERE job_uid = ?", batch.now_us, uid));
  PIVOT_RETURN_IF_ERROR(database.Run("DELETE FROM request WHERE job_uid IS NULL AND delete_us < ?",
                                     batch.now_us - absl::ToInt64Microseconds(kTombstoneLife)));
  return database.Run("DELETE FROM job WHERE uid = ?", uid);
}

v1::JobEvent DeletionEvent(const std::string& name, absl::string_view uid, int64_t project_seq, int64_t time_us) {
  v1::JobEvent event;
  event.set_job(name);
  event.set_project_seq(static_cast<uint64_t>(project_seq));
  *event.mutable_time() = ToTimestamp(time_us);
  event.mutable_job_deleted()->set_uid(std::string(uid));
  return event;
}

/// It outlives the job's own events, as long as the tombstone of its request.
absl::Status NoteDeletion(WriteBatch& batch, const EditedJob& job, absl::string_view uid) {
  PIVOT_ASSIGN_OR_RETURN(const int64_t project_seq, TakeProjectSequence(batch, job.project));
  PIVOT_RETURN_IF_ERROR(
      batch.database.Run("INSERT INTO deletion (project, project_seq, time_us, job_id, job_uid) VALUES (?, ?, ?, ?, ?)",
                         job.project, project_seq, batch.now_us, job.id, uid));
  PIVOT_RETURN_IF_ERROR(batch.database.Run(
      "DELETE FROM deletion WHERE project = ?1 AND time_us < ?2 AND project_seq IN (SELECT project_seq FROM deletion "
      "WHERE project = ?1 ORDER BY project_seq LIMIT 8)",
      job.project, batch.now_us - absl::ToInt64Microseconds(kTombstoneLife)));
  batch.events.emplace_back(std::string(uid), DeletionEvent(job.name, uid, project_seq, batch.now_us));
  return absl::OkStatus();
}

/// NULL for none.
std::optional<int64_t> Microseconds(const std::optional<absl::Duration>& limit) {
  if (!limit.has_value() || *limit == absl::InfiniteDuration()) return std::nullopt;
  return absl::ToInt64Microseconds(*limit);
}

}  // namespace

absl::StatusOr<DeletedJob> DeleteJobRows(WriteBatch& batch, absl::string_view uid, absl::string_view etag) {
  PIVOT_ASSIGN_OR_RETURN(const EditedJob job, LoadEdited(batch.database, uid, etag));
  PIVOT_RETURN_IF_ERROR(CheckMayDelete(job.state, job.name));
  DeletedJob deleted{.uid = std::string(uid), .name = job.name, .staging_uid = job.staging_uid};
  PIVOT_ASSIGN_OR_RETURN(deleted.objects, ReadObjectsOf(batch.database, uid));
  PIVOT_RETURN_IF_ERROR(DeleteRows(batch, uid));
  PIVOT_RETURN_IF_ERROR(NoteDeletion(batch, job, uid));
  return deleted;
}

absl::StatusOr<std::optional<v1::JobEvent>> NextDeletion(Database& database, absl::string_view project,
                                                         uint64_t after_project_seq) {
  Statement row = database.Query(
      "SELECT project_seq, time_us, job_id, job_uid FROM deletion WHERE project = ? AND project_seq > ? "
      "ORDER BY project_seq LIMIT 1",
      project, after_project_seq);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  return DeletionEvent(FormatJobName(project, row.Bytes(2)), row.Bytes(3), row.Integer(0), row.Integer(1));
}

absl::Status Store::UpdateJob(absl::string_view uid, absl::string_view etag, const JobChange& change) {
  return Write("update_job", [&](WriteBatch& batch) -> absl::Status {
    PIVOT_ASSIGN_OR_RETURN(const EditedJob job, LoadEdited(batch.database, uid, etag));
    if (change.needs_live_job()) PIVOT_RETURN_IF_ERROR(CheckMayUpdate(job.state, job.name));
    if (change.labels.has_value()) {
      PIVOT_RETURN_IF_ERROR(batch.database.Run("DELETE FROM label WHERE job_uid = ?", uid));
      PIVOT_RETURN_IF_ERROR(InsertLabels(batch, uid, *change.labels));
    }
    return batch.database.Run(
        "UPDATE job SET priority = coalesce(?2, priority), revision = revision + 1, update_us = ?3, "
        "queue_timeout_us = CASE WHEN ?4 THEN ?5 ELSE queue_timeout_us END, "
        "ttl_us = CASE WHEN ?6 THEN ?7 ELSE ttl_us END WHERE uid = ?1",
        uid, change.priority, batch.now_us, change.queue_timeout.has_value() ? 1 : 0,
        Microseconds(change.queue_timeout), change.ttl.has_value() ? 1 : 0, Microseconds(change.ttl));
  });
}

absl::StatusOr<DeletedJob> Store::DeleteJob(absl::string_view uid, absl::string_view etag) {
  DeletedJob deleted;
  const absl::Status written = Write("delete_job", [&](WriteBatch& batch) -> absl::Status {
    PIVOT_ASSIGN_OR_RETURN(deleted, DeleteJobRows(batch, uid, etag));
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  return deleted;
}

}  // namespace pivot
