// SPDX-License-Identifier: Apache-2.0
#include "server/store/books.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/scheduler/device.h"
#include "server/scheduler/fair_share.h"

namespace pivot {
namespace {

constexpr double kMicrosecondsOfASecond = 1e6;
constexpr int64_t kKeptScores = 64;
// A run that took ten thousand times as long has a fault that is not the estimate's.
constexpr int64_t kMaxPermille = 10'000'000;

struct EndedRun {
  std::string project;
  DeviceClass device_class = DeviceClass::kCpu;
  int64_t start_us = 0;
  int64_t update_us = 0;
  // Estimates.
  int64_t run_us = 0;
  int64_t gpu_bytes = 0;
  int64_t host_bytes = 0;
};

absl::StatusOr<EndedRun> LoadRun(Database& database, const AttemptKey& key) {
  Statement row = database.Query(
      "SELECT job.project, attempt.device, attempt.start_us, job.update_us, job.run_us, job.gpu_bytes, job.host_bytes "
      "FROM job JOIN attempt ON attempt.job_uid = job.uid WHERE job.uid = ? AND attempt.number = ?",
      key.job_uid, key.number);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return absl::NotFoundError("no such attempt");
  return EndedRun{.project = row.Bytes(0),
                  .device_class = row.Bytes(1) == kCpuDevice ? DeviceClass::kCpu : DeviceClass::kGpu,
                  .start_us = row.Integer(2),
                  .update_us = row.Integer(3),
                  .run_us = row.Integer(4),
                  .gpu_bytes = row.Integer(5),
                  .host_bytes = row.Integer(6)};
}

absl::Status AddUsage(WriteBatch& batch, const EndedRun& run, int64_t end_us) {
  ProjectUsage usage{.project = run.project, .device_class = run.device_class};
  Statement row = batch.database.Query("SELECT device_us, as_of_us FROM usage WHERE project = ? AND device_class = ?",
                                       run.project, static_cast<int>(run.device_class));
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (found) {
    usage.device_seconds = static_cast<double>(row.Integer(0)) / kMicrosecondsOfASecond;
    usage.as_of_us = row.Integer(1);
  }
  AddRun(run.start_us, end_us, {}, usage);
  return batch.database.Run(
      "INSERT OR REPLACE INTO usage (project, device_class, device_us, as_of_us) VALUES (?, ?, ?, ?)", run.project,
      static_cast<int>(run.device_class), ToMicros(usage.device_seconds), usage.as_of_us);
}

absl::Status AddScore(WriteBatch& batch, const EndedRun& run, Score::Measure measure, int64_t observed,
                      int64_t estimated) {
  if (estimated <= 0 || observed <= 0) return absl::OkStatus();
  const double permille = std::round(1000.0 * static_cast<double>(observed) / static_cast<double>(estimated));
  PIVOT_RETURN_IF_ERROR(
      batch.database.Run("INSERT INTO score (device_class, measure, end_us, permille) VALUES (?, ?, ?, ?)",
                         static_cast<int>(run.device_class), static_cast<int>(measure), batch.now_us,
                         static_cast<int64_t>(std::min<double>(permille, static_cast<double>(kMaxPermille)))));
  return batch.database.Run(
      "DELETE FROM score WHERE device_class = ?1 AND measure = ?2 AND end_us <= (SELECT end_us FROM score "
      "WHERE device_class = ?1 AND measure = ?2 ORDER BY end_us DESC LIMIT 1 OFFSET ?3)",
      static_cast<int>(run.device_class), static_cast<int>(measure), kKeptScores);
}

absl::Status AddScores(WriteBatch& batch, const EndedRun& run, const v1::Attempt& ended) {
  PIVOT_RETURN_IF_ERROR(AddScore(batch, run, Score::Measure::kSeconds, batch.now_us - run.start_us, run.run_us));
  PIVOT_RETURN_IF_ERROR(AddScore(batch, run, Score::Measure::kGpuBytes, ended.peak_gpu_bytes(), run.gpu_bytes));
  return AddScore(batch, run, Score::Measure::kHostBytes, ended.peak_host_bytes(), run.host_bytes);
}

}  // namespace

int64_t ToMicros(double seconds) {
  constexpr double kMost = 1e15;  // 30 years
  return static_cast<int64_t>(std::round(std::clamp(seconds * kMicrosecondsOfASecond, 0.0, kMost)));
}

absl::Status NoteNeeds(WriteBatch& batch, const std::string& uid, const NewJob& job) {
  const v1::Plan plan = job.plan.value_or(v1::Plan());
  std::optional<int64_t> most_us;
  if (job.spec.has_run_timeout()) most_us = absl::ToInt64Microseconds(FromDuration(job.spec.run_timeout()));
  return batch.database.Run(
      "UPDATE job SET gpu_bytes = ?, least_gpu_bytes = ?, host_bytes = ?, disk_bytes = ?, run_us = ?, most_us = ?, "
      "keeps_work = ? WHERE uid = ?",
      plan.peak_gpu_bytes(), plan.least_gpu_bytes(), plan.peak_host_bytes(), plan.disk_bytes(),
      ToMicros(plan.est_seconds()), most_us, job.spec.has_compress() ? 1 : 0, uid);
}

absl::Status NoteClaim(WriteBatch& batch, const QueuedJob& job) {
  return batch.database.Run(
      "INSERT OR REPLACE INTO lane (project, device, claim_us) SELECT project, device, ? FROM job WHERE uid = ?",
      batch.now_us, job.uid);
}

absl::Status ChargeAttempt(WriteBatch& batch, const AttemptKey& key, const v1::Attempt& ended) {
  PIVOT_ASSIGN_OR_RETURN(const EndedRun run, LoadRun(batch.database, key));
  const bool was_lost = ended.cause() == "SERVER_DIED";
  PIVOT_RETURN_IF_ERROR(AddUsage(batch, run, was_lost ? std::max(run.start_us, run.update_us) : batch.now_us));
  if (ended.cause() == "PREEMPTED") {
    PIVOT_RETURN_IF_ERROR(
        batch.database.Run("UPDATE job SET preemptions = preemptions + 1 WHERE uid = ?", key.job_uid));
  }
  const bool did_all = ended.cause() == "DONE" && ended.resumed_blocks() == 0;
  return did_all ? AddScores(batch, run, ended) : absl::OkStatus();
}

}  // namespace pivot
