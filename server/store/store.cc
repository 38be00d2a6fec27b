// SPDX-License-Identifier: Apache-2.0
#include "server/store/store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/names.h"
#include "server/store/open_database.h"
#include "server/store/reader.h"
#include "server/store/rows.h"

namespace pivot {
namespace {

// A client takes messages of 4 MiB.
constexpr size_t kMaxPageBytes = size_t{3} << 20;

struct PagePosition {
  int64_t create_us = 0;
  std::string uid;
};

absl::StatusOr<std::optional<PagePosition>> ParsePageToken(absl::string_view token) {
  if (token.empty()) return std::nullopt;
  std::string text;
  PagePosition position;
  if (!absl::WebSafeBase64Unescape(token, &text)) return InvalidPageToken();
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &position.create_us) || !IsUuid(parts[1]))
    return InvalidPageToken();
  position.uid = parts[1];
  return position;
}

absl::StatusOr<std::vector<PagePosition>> ReadPositions(Database& database, absl::string_view project,
                                                        const std::optional<PagePosition>& after, int limit) {
  std::vector<PagePosition> positions;
  const std::optional<int64_t> create_us = after.has_value() ? std::optional(after->create_us) : std::nullopt;
  Statement rows = database.Query(
      "SELECT create_us, uid FROM job WHERE project = ?1 AND (?2 IS NULL OR (create_us, uid) < (?2, ?3)) "
      "ORDER BY create_us DESC, uid DESC LIMIT ?4",
      project, create_us, after.value_or(PagePosition{}).uid, limit);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return positions;
    positions.push_back({rows.Integer(0), rows.Bytes(1)});
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path, StoreHooks hooks) {
  PIVOT_ASSIGN_OR_RETURN(std::unique_ptr<Database> writer, OpenDatabase(path));
  return std::unique_ptr<Store>(new Store(path, std::move(writer), std::move(hooks)));
}

Store::Store(std::string path, std::unique_ptr<Database> writer, StoreHooks hooks)
    : path_(std::move(path)), hooks_(std::move(hooks)), writer_(std::move(writer)) {}

Store::~Store() = default;

absl::Status Store::Write(absl::FunctionRef<absl::Status(WriteBatch&)> body) {
  std::vector<std::pair<std::string, v1::JobEvent>> events;
  absl::Duration took;
  {
    const std::lock_guard lock(write_mutex_);
    PIVOT_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*writer_, Transaction::Kind::kWrite));
    WriteBatch batch{*writer_, std::max(absl::ToUnixMicros(absl::Now()), last_us_ + 1), {}};
    PIVOT_RETURN_IF_ERROR(body(batch));
    const auto begin = std::chrono::steady_clock::now();
    PIVOT_RETURN_IF_ERROR(transaction.Commit());
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

absl::StatusOr<JobPage> Store::ListJobs(absl::string_view project, int page_size, absl::string_view page_token) {
  PIVOT_ASSIGN_OR_RETURN(const std::optional<PagePosition> after, ParsePageToken(page_token));
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  PIVOT_ASSIGN_OR_RETURN(const Transaction transaction, Transaction::Begin(*reader, Transaction::Kind::kRead));
  // One more than asked for tells whether there is a next page.
  PIVOT_ASSIGN_OR_RETURN(const std::vector<PagePosition> positions,
                         ReadPositions(*reader, project, after, page_size + 1));
  JobPage page;
  size_t bytes = 0;
  for (const PagePosition& position : positions) {
    const bool full = page.jobs.size() == static_cast<size_t>(page_size) || bytes > kMaxPageBytes;
    if (full) {
      const PagePosition& last = positions[page.jobs.size() - 1];
      page.next_page_token = absl::WebSafeBase64Escape(absl::StrCat(last.create_us, ":", last.uid));
      break;
    }
    PIVOT_ASSIGN_OR_RETURN(JobRecord record, LoadJob(*reader, position.uid, JobDetail::kShort));
    bytes += record.job.ByteSizeLong();
    page.jobs.push_back(std::move(record.job));
  }
  return page;
}

absl::StatusOr<std::optional<v1::JobEvent>> Store::ReadEvent(absl::string_view job_uid, uint64_t seq) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  Statement row = reader->Query("SELECT event_pb FROM event WHERE job_uid = ? AND seq = ?", job_uid, seq);
  PIVOT_ASSIGN_OR_RETURN(const bool found, row.Step());
  if (!found) return std::nullopt;
  v1::JobEvent event;
  if (!event.ParseFromString(row.Bytes(0))) return absl::DataLossError("the database: a stored event cannot be read");
  return event;
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
    if (state == v1::STATE_QUEUED) figures.oldest_queued = absl::Now() - absl::FromUnixMicros(rows.Integer(2));
  }
}

}  // namespace pivot
