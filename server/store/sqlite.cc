// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite.h"

#include <cerrno>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/status/reason.h"
#include "proto/status/status_macros.h"
#include "server/log.h"
#include "server/process/exit_code.h"

namespace pivot {
namespace {

constexpr int kBusyMilliseconds = 5000;
// 12 MB of log before they go to their places: a new job writes some eighteen pages, most of them again and again.
constexpr int kCheckpointPages = 3000;

absl::Status DiskFull() {
  return WithReason(absl::ResourceExhaustedError(
                        "the server's disk is full: its database cannot be written; free some space and try again"),
                    "DISK_FULL");
}

bool IsSyncFailure(int result) { return result == SQLITE_IOERR_FSYNC || result == SQLITE_IOERR_DIR_FSYNC; }

/// Linux reports that a page could not be written once, and then calls it clean: a second sync would be a lie.
[[noreturn]] void EndAfterFailedSync(const char* message) {
  Log(Severity::kError, "sync_failed", {{"message", absl::StrCat("the database could not be synced: ", message)}});
  _exit(kExitSyncFailed);
}

/// SQLite's own does not look at the result.
int CheckpointIfLong(void* /*unused*/, sqlite3* handle, const char* name, int num_pages) {
  if (num_pages < kCheckpointPages) return SQLITE_OK;
  const int result = sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (IsSyncFailure(result)) EndAfterFailedSync(sqlite3_errmsg(handle));
  return SQLITE_OK;
}

bool IsOutOfSpace(sqlite3* handle) {
  const int error = handle == nullptr ? 0 : sqlite3_system_errno(handle);
  return error == ENOSPC || error == EDQUOT;
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      sql_(std::move(other.sql_)),
      handle_(std::exchange(other.handle_, nullptr)),
      error_(other.error_),
      kept_(other.kept_) {}

Statement::~Statement() {
  if (handle_ == nullptr) return;
  if (!kept_) {
    sqlite3_finalize(handle_);
    return;
  }
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  if (!database_->idle_statements_.emplace(sql_, handle_).second) sqlite3_finalize(handle_);
}

absl::StatusOr<bool> Statement::Step() {
  if (error_ != SQLITE_OK) return database_->StatusOf(error_);
  const int result = sqlite3_step(handle_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return database_->StatusOf(result);
}

absl::Status Statement::Run() {
  while (true) {
    PIVOT_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

std::string Statement::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

void Statement::BindOne(int index, int64_t value) { Note(sqlite3_bind_int64(handle_, index, value)); }

void Statement::BindOne(int index, absl::string_view value) {
  // An empty view may have no address, and SQLite takes that for NULL.
  const char* data = value.empty() ? "" : value.data();
  Note(sqlite3_bind_text64(handle_, index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::BindOne(int index, const Blob& value) {
  const char* data = value.bytes.empty() ? "" : value.bytes.data();
  Note(sqlite3_bind_blob64(handle_, index, data, value.bytes.size(), SQLITE_STATIC));
}

void Statement::BindOne(int index, std::nullptr_t) { Note(sqlite3_bind_null(handle_, index)); }

void Statement::Note(int result) {
  if (error_ == SQLITE_OK) error_ = result;
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path, Mode mode) {
  const int access = mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &handle, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  std::unique_ptr<Database> database(new Database(handle));
  if (result != SQLITE_OK) return database->StatusOf(result);
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  PIVOT_RETURN_IF_ERROR(database->Execute("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON"));
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : idle_statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Statement Database::Prepare(absl::string_view sql, Use use) {
  std::string text(sql);
  if (const auto idle = idle_statements_.find(text); idle != idle_statements_.end()) {
    sqlite3_stmt* statement = idle->second;
    idle_statements_.erase(idle);
    return Statement(this, std::move(text), statement, SQLITE_OK);
  }
  sqlite3_stmt* handle = nullptr;
  const unsigned flags = use == Use::kAgain ? SQLITE_PREPARE_PERSISTENT : 0;
  const int result = sqlite3_prepare_v3(handle_, text.data(), static_cast<int>(text.size()), flags, &handle, nullptr);
  Statement statement(this, std::move(text), handle, result);
  statement.kept_ = use == Use::kAgain;
  return statement;
}

Statement Database::QueryOnce(absl::string_view sql, const std::vector<std::variant<int64_t, std::string>>& values) {
  Statement statement = Prepare(sql, Use::kOnce);
  int index = 0;
  for (const auto& value : values) std::visit([&](const auto& one) { statement.BindOne(++index, one); }, value);
  return statement;
}

absl::Status Database::Execute(absl::string_view sql) {
  return StatusOf(sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr));
}

absl::Status Database::StatusOf(int result) const {
  const std::string message =
      absl::StrCat("the database: ", handle_ == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(handle_));
  if (IsSyncFailure(result)) EndAfterFailedSync(message.c_str());
  switch (result & 0xFF) {
    case SQLITE_OK:
      return absl::OkStatus();
    case SQLITE_FULL:
      return DiskFull();
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return WithReason(absl::DataLossError(message), "STORE_DAMAGED");
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(message);
    case SQLITE_IOERR:
      // What SQLite calls so when there is no room for its shared memory file.
      if (IsOutOfSpace(handle_)) return DiskFull();
      [[fallthrough]];
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return WithReason(absl::UnavailableError(message), "STORE_UNAVAILABLE");
    default:
      return absl::InternalError(message);
  }
}

void Database::CheckpointAfterCommits() { sqlite3_wal_hook(handle_, CheckpointIfLong, nullptr); }

absl::StatusOr<Transaction> Transaction::Begin(Database& database, Kind kind) {
  PIVOT_RETURN_IF_ERROR(database.Run(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  // A failed COMMIT or a full disk may have rolled back already; then this fails and nothing is lost.
  if (database_ != nullptr) database_->Run("ROLLBACK").IgnoreError();
}

absl::Status Transaction::Commit() {
  PIVOT_RETURN_IF_ERROR(database_->Run("COMMIT"));
  database_ = nullptr;
  return absl::OkStatus();
}

}  // namespace pivot
