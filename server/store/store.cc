// SPDX-License-Identifier: Apache-2.0
#include "server/store/store.h"

#include <algorithm>
#include <utility>

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
  std::unique_ptr<Store> store(new Store(path, std::move(writer), std::move(hooks)));
  PIVOT_ASSIGN_OR_RETURN(const QueueFigures figures, store->ReadQueueFigures());
  if (const auto queued = figures.jobs.find(v1::STATE_QUEUED); queued != figures.jobs.end())
    store->num_queued_ = queued->second;
  return store;
}

Store::Store(std::string path, std::unique_ptr<Database> writer, StoreHooks hooks)
    : path_(std::move(path)), hooks_(std::move(hooks)), writer_(std::move(writer)) {}

Store::~Store() = default;

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
  PIVOT_ASSIGN_OR_RETURN(const Transaction transaction, Transaction::Begin(*reader, Transaction::Kind::kRead));
  PIVOT_ASSIGN_OR_RETURN(std::optional<v1::JobEvent> deletion, NextDeletion(*reader, project, after_project_seq));
  Statement row = reader->Query(
      "SELECT event_pb, project_seq FROM event WHERE project = ? AND project_seq > ? ORDER BY project_seq LIMIT 1",
      project, after_project_seq);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return deletion;
  const auto project_seq = static_cast<uint64_t>(row.Integer(1));
  if (deletion.has_value() && deletion->project_seq() < project_seq) return deletion;
  PIVOT_ASSIGN_OR_RETURN(v1::JobEvent event, ParseEvent(row));
  event.set_project_seq(project_seq);
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
