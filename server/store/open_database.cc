// SPDX-License-Identifier: Apache-2.0
#include "server/store/open_database.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/files/crash_point.h"
#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/store/schema.h"

namespace pivot {
namespace {

absl::StatusOr<int64_t> ReadInteger(Database& database, absl::string_view sql) {
  Statement statement = database.Query(sql);
  PIVOT_ASSIGN_OR_RETURN(const bool row, statement.Step());
  return row ? statement.Integer(0) : 0;
}

absl::Status CheckDamage(Database& database, const std::string& path) {
  Statement statement = database.Query("PRAGMA quick_check(1)");
  PIVOT_ASSIGN_OR_RETURN(const bool row, statement.Step());
  const std::string verdict = row ? statement.Bytes(0) : "no answer";
  if (verdict == "ok") return absl::OkStatus();
  return WithReason(absl::DataLossError(absl::StrCat(path, " is damaged: ", verdict,
                                                     "; put a backup in its place, or start with another folder")),
                    "STORE_DAMAGED");
}

/// 0 for a new file.
absl::StatusOr<int64_t> ReadVersion(Database& database, const std::string& path) {
  PIVOT_ASSIGN_OR_RETURN(const int64_t application, ReadInteger(database, "PRAGMA application_id"));
  PIVOT_ASSIGN_OR_RETURN(const int64_t version, ReadInteger(database, "PRAGMA user_version"));
  PIVOT_ASSIGN_OR_RETURN(const int64_t tables, ReadInteger(database, "SELECT count(*) FROM sqlite_schema"));
  const bool is_new = application == 0 && version == 0 && tables == 0;
  if (!is_new && application != kStoreApplicationId) {
    return WithReason(absl::FailedPreconditionError(
                          absl::StrCat(path, " is not a database of pivotd; choose another folder with --data")),
                      "STORE_FOREIGN");
  }
  const auto known = static_cast<int64_t>(StoreMigrations().size());
  if (version > known) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(path, " was written by a newer pivotd (version ", version,
                                                   ", this one knows ", known, "); start that one again")),
        "STORE_NEWER");
  }
  return version;
}

absl::Status Migrate(Database& database, int64_t version) {
  const auto migrations = StoreMigrations();
  for (auto next = static_cast<size_t>(version); next < migrations.size(); ++next) {
    PIVOT_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database, Transaction::Kind::kWrite));
    PIVOT_RETURN_IF_ERROR(database.Execute(migrations[next]));
    PIVOT_CRASH_POINT("migrate.tables_changed");
    PIVOT_RETURN_IF_ERROR(database.Execute(
        absl::StrCat("PRAGMA application_id = ", kStoreApplicationId, "; PRAGMA user_version = ", next + 1)));
    PIVOT_CRASH_POINT("migrate.before_commit");
    PIVOT_RETURN_IF_ERROR(transaction.Commit());
    PIVOT_CRASH_POINT("migrate.after_commit");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(const std::string& path) {
  auto opened = Database::Open(path, Database::Mode::kReadWrite);
  if (absl::IsDataLoss(opened.status())) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(path, " is not a database; choose another folder with --data")),
        "STORE_FOREIGN");
  }
  PIVOT_RETURN_IF_ERROR(opened.status());
  std::unique_ptr<Database> database = *std::move(opened);
  auto version = ReadVersion(*database, path);
  if (absl::IsDataLoss(version.status())) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(path, " is not a database; choose another folder with --data")),
        "STORE_FOREIGN");
  }
  PIVOT_RETURN_IF_ERROR(version.status());
  // Only now: a file that is not ours must stay as it is.
  PIVOT_RETURN_IF_ERROR(database->Run("PRAGMA journal_mode = WAL"));
  PIVOT_CRASH_POINT("open.journal_mode_set");
  PIVOT_RETURN_IF_ERROR(database->Execute("PRAGMA synchronous = FULL"));
  PIVOT_RETURN_IF_ERROR(CheckDamage(*database, path));
  // What a server before this one could not sync can be read and may yet be lost: it is written once more.
  PIVOT_RETURN_IF_ERROR(database->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  database->CheckpointAfterCommits();
  PIVOT_CRASH_POINT("open.checked");
  PIVOT_RETURN_IF_ERROR(Migrate(*database, *version));
  return database;
}

}  // namespace pivot
