// SPDX-License-Identifier: Apache-2.0
// The part of Store that lists jobs: pages that do not shift when jobs are added.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "proto/files/sha256.h"
#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/names.h"
#include "server/store/job_filter.h"
#include "server/store/list_query.h"
#include "server/store/reader.h"
#include "server/store/rows.h"
#include "server/store/store.h"

namespace pivot {
namespace {

// A client takes messages of 4 MiB.
constexpr size_t kMaxPageBytes = size_t{3} << 20;
constexpr size_t kListDigits = 16;

/// A job's place in the order: by its key, then by age.
struct Position {
  int64_t key = 0;
  int64_t create_us = 0;
  std::string uid;
};

/// Of what must be the same for a page token to have a meaning.
std::string ListDigest(const JobListing& listing) {
  return Sha256Of(absl::StrCat(listing.project.size(), ":", listing.project, listing.filter.size(), ":", listing.filter,
                               listing.order_by))
      .substr(0, kListDigits);
}

std::string FormatPageToken(const JobListing& listing, const Position& last) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(ListDigest(listing), ":", last.key, ":", last.create_us, ":", last.uid));
}

absl::StatusOr<std::optional<Position>> ParsePageToken(const JobListing& listing) {
  if (listing.page_token.empty()) return std::nullopt;
  std::string text;
  Position position;
  if (!absl::WebSafeBase64Unescape(listing.page_token, &text)) return InvalidPageToken();
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  const bool is_token = parts.size() == 4 && absl::SimpleAtoi(parts[1], &position.key) &&
                        absl::SimpleAtoi(parts[2], &position.create_us) && IsUuid(parts[3]);
  if (!is_token) return InvalidPageToken();
  if (parts[0] != ListDigest(listing)) {
    return InvalidPageToken("page_token is of a list with another parent, filter or order_by; begin again without it");
  }
  position.uid = parts[3];
  return position;
}

absl::StatusOr<std::vector<Position>> ReadPositions(Database& database, const JobListing& listing) {
  PIVOT_ASSIGN_OR_RETURN(const JobFilter filter, ParseJobFilter(listing.filter));
  PIVOT_ASSIGN_OR_RETURN(const JobOrder order, ParseJobOrder(listing.order_by));
  PIVOT_ASSIGN_OR_RETURN(const std::optional<Position> after, ParsePageToken(listing));
  SqlText sql;
  sql.text = absl::StrCat("SELECT ", order.column, ", create_us, uid ");
  PIVOT_RETURN_IF_ERROR(AppendSource(database, listing.project, filter, order, sql));
  if (after.has_value()) {
    absl::StrAppend(&sql.text, " AND (", order.column, ", create_us, uid) ", order.descending ? "<" : ">", " (",
                    sql.Bind(after->key), ", ");
    absl::StrAppend(&sql.text, sql.Bind(after->create_us), ", ");
    absl::StrAppend(&sql.text, sql.Bind(after->uid), ")");
  }
  const char* direction = order.descending ? " DESC" : "";
  // One more than asked for tells whether there is a next page.
  absl::StrAppend(&sql.text, " ORDER BY ", order.column, direction, ", create_us", direction, ", uid", direction);
  absl::StrAppend(&sql.text, " LIMIT ", sql.Bind(int64_t{listing.page_size} + 1));
  std::vector<Position> positions;
  Statement rows = database.QueryOnce(sql.text, sql.values);
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return positions;
    positions.push_back({rows.Integer(0), rows.Integer(1), rows.Bytes(2)});
  }
}

}  // namespace

absl::StatusOr<JobPage> Store::ListJobs(const JobListing& listing) {
  PIVOT_ASSIGN_OR_RETURN(const Reader reader, BorrowReader());
  PIVOT_ASSIGN_OR_RETURN(const Transaction transaction, Transaction::Begin(*reader, Transaction::Kind::kRead));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<Position> positions, ReadPositions(*reader, listing));
  JobPage page;
  size_t bytes = 0;
  for (const Position& position : positions) {
    const bool full = page.jobs.size() == static_cast<size_t>(listing.page_size) || bytes > kMaxPageBytes;
    if (full) {
      page.next_page_token = FormatPageToken(listing, positions[page.jobs.size() - 1]);
      break;
    }
    PIVOT_ASSIGN_OR_RETURN(JobRecord record, LoadJob(*reader, position.uid, JobDetail::kShort));
    bytes += record.job.ByteSizeLong();
    page.jobs.push_back(std::move(record.job));
  }
  return page;
}

}  // namespace pivot
