// SPDX-License-Identifier: Apache-2.0
#include "server/store/store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proto/files/crash_point.h"
#include "proto/status/status_macros.h"
#include "server/store/open_database.h"
#include "server/store/reader.h"
#include "server/store/rows.h"

namespace pivot {
namespace {

absl::StatusOr<v1::JobEvent> ParseEvent(const Statement& row) {
  v1::JobEvent event;
  if (!event.ParseFromString(row.Bytes(0))) return absl::DataLossError("the database: a stored event cannot be read");
  return event;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path, StoreHooks hooks) {
  PIVOT_ASSIGN_OR_RETURN(std::unique_ptr<Database> writer, OpenDatabase(path));
  return std::unique_ptr<Store>(new Store(path, std::move(writer), std::move(hooks)));
}

Store::Store(std::string path, std::unique_ptr<Database> writer, StoreHooks hooks)
    : path_(std::move(path)), hooks_(std::move(hooks)), writer_(std::move(writer)) {}

Store::~Store() = default;

absl::Status Store::Write(absl::string_view kind, absl::FunctionRef<absl::Status(WriteBatch&)> body) {
  std::vector<std::pair<std::string, v1::JobEvent>> events;
  absl::Duration took;
  {
    const std::lock_guard lock(write_mutex_);
    PIVOT_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*writer_, Transaction::Kind::kWrite));
    WriteBatch batch{*writer_, std::max(NowMicros(), last_us_ + 1), {}};
    PIVOT_RETURN_IF_ERROR(body(batch));
    PIVOT_CRASH_POINT_OF("store.before_commit", kind);
    const auto begin = std::chrono::steady_clock::now();
    PIVOT_RETURN_IF_ERROR(transaction.Commit());
    PIVOT_CRASH_POINT_OF("store.after_commit", kind);
    took = absl::FromChrono(std::chrono::steady_clock::now() - begin);
    last_us_ = batch.now_us;
    events = std::move(batch.events);
  }
  if (hooks_.commit_took) hooks_.commit_took(took);
  if (hooks_.committed) {
    for (const auto& [uid, event] : events) hooks_.committed(uid, event);
  }
  return absl::OkStatus();
}

int64_t Store::NowMicros() const { return absl::ToUnixMicros(hooks_.now ? hooks_.now() : absl::Now()); }

absl::StatusOr<std::string> Store::FindRequest(const NewJob& job) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  return pivot::FindRequest(*reader, job);
}

absl::StatusOr<std::string> Store::FindJob(absl::string_view project, absl::string_view id) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  return FindJobUid(*reader, project, id);
}

absl::StatusOr<JobRecord> Store::ReadJob(absl::string_view uid, JobDetail detail) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  // One transaction, so that state, attempts and checkpoints are of one moment.
  PIVOT_ASSIGN_OR_RETURN(const Transaction transaction, Transaction::Begin(*reader, Transaction::Kind::kRead));
  return LoadJob(*reader, uid, detail);
}

absl::StatusOr<JobHead> Store::ReadJobHead(absl::string_view uid) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  return LoadJobHead(*reader, uid);
}

absl::StatusOr<std::optional<v1::JobEvent>> Store::ReadEvent(absl::string_view job_uid, uint64_t seq) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  Statement row = reader->Query("SELECT event_pb FROM event WHERE job_uid = ? AND seq = ?", job_uid, seq);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  return ParseEvent(row);
}

absl::StatusOr<std::optional<v1::JobEvent>> Store::ReadProjectEvent(absl::string_view project,
                                                                    uint64_t after_project_seq) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  Statement row = reader->Query(
      "SELECT event_pb, project_seq FROM event WHERE project = ? AND project_seq > ? ORDER BY project_seq LIMIT 1",
      project, after_project_seq);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  PIVOT_ASSIGN_OR_RETURN(v1::JobEvent event, ParseEvent(row));
  event.set_project_seq(static_cast<uint64_t>(row.Integer(1)));
  return event;
}

absl::StatusOr<uint64_t> Store::ReadProjectSeq(absl::string_view project) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  Statement row = reader->Query("SELECT last_seq FROM project WHERE id = ?", project);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  return found ? static_cast<uint64_t>(row.Integer(0)) : 0;
}

absl::StatusOr<QueueFigures> Store::ReadQueueFigures() {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  QueueFigures figures;
  Statement rows = reader->Query("SELECT state, count(*), min(create_us) FROM job GROUP BY state");
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return figures;
    const auto state = static_cast<v1::State>(rows.Integer(0));
    figures.jobs[state] = rows.Integer(1);
    if (state == v1::STATE_QUEUED) figures.oldest_queued = absl::Microseconds(NowMicros() - rows.Integer(2));
  }
}

}  // namespace pivot
