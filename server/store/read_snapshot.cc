// SPDX-License-Identifier: Apache-2.0
// The part of Store that the scheduler reads, and writes its reasons to.
#include <algorithm>
#include <utility>

#include "proto/status/status_macros.h"
#include "server/scheduler/device.h"
#include "server/store/reader.h"
#include "server/store/rows.h"
#include "server/store/store.h"

namespace pivot {
namespace {

constexpr double kMicrosecondsOfASecond = 1e6;
constexpr double kPermille = 1000;

double ToSeconds(int64_t us) { return static_cast<double>(us) / kMicrosecondsOfASecond; }

/// Calls `take` with each row.
template <typename Take>
absl::Status ForEach(Statement rows, const Take& take) {
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return absl::OkStatus();
    take(rows);
  }
}

absl::Status LoadQueue(Database& database, std::vector<QueuedJob>& queue) {
  return ForEach(
      database.Query("SELECT uid, project, attempt, priority, device, create_us, queue_us, gpu_bytes, least_gpu_bytes, "
                     "host_bytes, disk_bytes, run_us, most_us, staging_uid, state_reason FROM job WHERE state = ? "
                     "ORDER BY priority DESC, create_us",
                     v1::STATE_QUEUED),
      [&](const Statement& row) {
        QueuedJob job{.uid = row.Bytes(0),
                      .project = row.Bytes(1),
                      .attempt = static_cast<int>(row.Integer(2)),
                      .priority = static_cast<int>(row.Integer(3)),
                      .device = row.Bytes(4),
                      .create_us = row.Integer(5),
                      .queue_us = row.Integer(6),
                      .needs = {.gpu_bytes = row.Integer(7),
                                .least_gpu_bytes = row.Integer(8),
                                .host_bytes = row.Integer(9),
                                .disk_bytes = row.Integer(10),
                                .seconds = ToSeconds(row.Integer(11))},
                      .staging_uid = row.Bytes(13),
                      .reason = row.Bytes(14)};
        if (!row.IsNull(12)) job.needs.most_seconds = ToSeconds(row.Integer(12));
        queue.push_back(std::move(job));
      });
}

absl::Status LoadRunning(Database& database, std::vector<RunningJob>& running) {
  return ForEach(
      database.Query("SELECT job.uid, job.project, job.attempt, job.priority, lease.device, attempt.device, "
                     "attempt.start_us, lease.host_bytes, lease.disk_bytes, lease.run_us, job.preemptions, "
                     "job.keeps_work, job.state, job.staging_uid FROM lease JOIN job ON job.uid = lease.job_uid "
                     "JOIN attempt ON attempt.job_uid = job.uid AND attempt.number = lease.attempt ORDER BY job.uid"),
      [&](const Statement& row) {
        running.push_back({.uid = row.Bytes(0),
                           .project = row.Bytes(1),
                           .attempt = static_cast<int>(row.Integer(2)),
                           .priority = static_cast<int>(row.Integer(3)),
                           .device = row.Bytes(4),
                           .device_class = row.Bytes(5) == kCpuDevice ? DeviceClass::kCpu : DeviceClass::kGpu,
                           .start_us = row.Integer(6),
                           .needs = {.host_bytes = row.Integer(7),
                                     .disk_bytes = row.Integer(8),
                                     .seconds = ToSeconds(row.Integer(9))},
                           .preemptions = static_cast<int>(row.Integer(10)),
                           .keeps_work = row.Integer(11) != 0,
                           .is_stopping = row.Integer(12) != v1::STATE_RUNNING,
                           .staging_uid = row.Bytes(13)});
      });
}

absl::Status LoadBooks(Database& database, QueueSnapshot& snapshot) {
  PIVOT_RETURN_IF_ERROR(ForEach(database.Query("SELECT project, device_class, device_us, as_of_us FROM usage"),
                                [&](const Statement& row) {
                                  snapshot.usage.push_back({.project = row.Bytes(0),
                                                            .device_class = static_cast<DeviceClass>(row.Integer(1)),
                                                            .device_seconds = ToSeconds(row.Integer(2)),
                                                            .as_of_us = row.Integer(3)});
                                }));
  PIVOT_RETURN_IF_ERROR(
      ForEach(database.Query("SELECT project, device, claim_us FROM lane"),
              [&](const Statement& row) { snapshot.claims.push_back({row.Bytes(0), row.Bytes(1), row.Integer(2)}); }));
  return ForEach(database.Query("SELECT device_class, measure, permille FROM score"), [&](const Statement& row) {
    snapshot.scores.push_back({.device_class = static_cast<DeviceClass>(row.Integer(0)),
                               .measure = static_cast<Score::Measure>(row.Integer(1)),
                               .ratio = static_cast<double>(row.Integer(2)) / kPermille});
  });
}

}  // namespace

absl::StatusOr<std::vector<QueuedJob>> Store::ReadQueue() {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  std::vector<QueuedJob> queue;
  PIVOT_RETURN_IF_ERROR(LoadQueue(*reader, queue));
  return queue;
}

absl::StatusOr<QueueSnapshot> Store::ReadSnapshot() {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  PIVOT_ASSIGN_OR_RETURN(const Transaction transaction, Transaction::Begin(*reader, Transaction::Kind::kRead));
  QueueSnapshot snapshot;
  PIVOT_RETURN_IF_ERROR(LoadQueue(*reader, snapshot.queued));
  PIVOT_RETURN_IF_ERROR(LoadRunning(*reader, snapshot.running));
  PIVOT_RETURN_IF_ERROR(LoadBooks(*reader, snapshot));
  snapshot.now_us = NowMicros();
  // Times of writes may be a little ahead of the clock.
  for (const QueuedJob& job : snapshot.queued) snapshot.now_us = std::max(snapshot.now_us, job.queue_us);
  for (const RunningJob& job : snapshot.running) snapshot.now_us = std::max(snapshot.now_us, job.start_us);
  return snapshot;
}

absl::Status Store::ExplainWaits(const std::vector<WaitReason>& reasons) {
  if (reasons.empty()) return absl::OkStatus();
  return Write("explain_waits", [&](WriteBatch& batch) -> absl::Status {
    for (const WaitReason& wait : reasons) {
      PIVOT_RETURN_IF_ERROR(batch.database.Run("UPDATE job SET state_reason = ? WHERE uid = ? AND state = ?",
                                               wait.reason, wait.job_uid, v1::STATE_QUEUED));
    }
    return absl::OkStatus();
  });
}

}  // namespace pivot
