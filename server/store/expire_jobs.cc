// SPDX-License-Identifier: Apache-2.0
// The part of Store that knows which jobs have waited, or were kept, for long enough.
#include <optional>
#include <string>

#include "absl/time/time.h"

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/grpc_status.h"
#include "server/names.h"
#include "server/store/reader.h"
#include "server/store/rows.h"
#include "server/store/store.h"

namespace pivot {
namespace {

// The state as a number: SQLite uses a partial index only where it can see that its condition holds.
static_assert(v1::STATE_QUEUED == 1);
// The index by name, too: without figures about the data SQLite would rather go through all that wait.
constexpr absl::string_view kFirstOverdue =
    "SELECT uid, attempt, project, id, staging_uid, queue_timeout_us FROM job INDEXED BY job_by_queue_end "
    "WHERE state = 1 AND queue_timeout_us IS NOT NULL AND queue_us + queue_timeout_us <= ? ORDER BY queue_us + "
    "queue_timeout_us LIMIT 1";
constexpr absl::string_view kFirstExpired =
    "SELECT uid FROM job INDEXED BY job_by_expiry WHERE end_us IS NOT NULL AND ttl_us IS NOT NULL AND end_us + ttl_us "
    "<= ? "
    "ORDER BY end_us + ttl_us LIMIT 1";
constexpr absl::string_view kNextDeadline =
    "SELECT min(time) FROM (SELECT * FROM (SELECT queue_us + queue_timeout_us AS time FROM job "
    "INDEXED BY job_by_queue_end WHERE state = 1 AND queue_timeout_us IS NOT NULL ORDER BY time LIMIT 1) "
    "UNION ALL SELECT * FROM (SELECT end_us + ttl_us AS time FROM job INDEXED BY job_by_expiry "
    "WHERE end_us IS NOT NULL AND ttl_us IS NOT NULL ORDER BY time LIMIT 1))";

}  // namespace

absl::StatusOr<absl::Time> Store::ReadNextDeadline() {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  Statement row = reader->Query(kNextDeadline);
  PIVOT_RETURN_IF_ERROR(row.Step().status());
  return row.IsNull(0) ? absl::InfiniteFuture() : absl::FromUnixMicros(row.Integer(0));
}

absl::StatusOr<std::optional<OverdueJob>> Store::FailOverdueJob() {
  std::optional<OverdueJob> overdue;
  const absl::Status written = Write("fail_overdue_job", [&](WriteBatch& batch) -> absl::Status {
    Statement row = batch.database.Query(kFirstOverdue, batch.now_us);
    PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (!found) return absl::OkStatus();
    overdue = OverdueJob{FormatJobName(row.Bytes(2), row.Bytes(3)), row.Bytes(4)};
    const StateGuard guard{row.Bytes(0), v1::STATE_QUEUED, static_cast<int>(row.Integer(1))};
    const absl::Status error = QueueTimeout(absl::Microseconds(row.Integer(5)));
    return ChangeState(batch, guard, {.to = v1::STATE_FAILED, .reason = "QUEUE_TIMEOUT", .error = ToRpcStatus(error)});
  });
  if (!written.ok()) return written;
  return overdue;
}

absl::StatusOr<std::optional<DeletedJob>> Store::DeleteExpiredJob() {
  std::optional<DeletedJob> expired;
  const absl::Status written = Write("delete_expired_job", [&](WriteBatch& batch) -> absl::Status {
    Statement row = batch.database.Query(kFirstExpired, batch.now_us);
    PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
    if (!found) return absl::OkStatus();
    PIVOT_ASSIGN_OR_RETURN(expired, DeleteJobRows(batch, row.Bytes(0), ""));
    return absl::OkStatus();
  });
  if (!written.ok()) return written;
  return expired;
}

}  // namespace pivot
