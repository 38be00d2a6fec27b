// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_STORE_SQLITE_H_
#define PIVOT_SERVER_STORE_SQLITE_H_

// SQLite's connection, statement and transaction as objects that clean up after themselves. One thread at a time each.

#include <cstdint>
#include <memory>
#include <optional>
#include <sqlite3.h>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

/// Bytes to bind as a BLOB; they must live as long as the statement. Text is bound as TEXT, and copied.
struct Blob {
  absl::string_view bytes;
};

class Database;

/// A prepared statement, given back to its connection's cache at the end. A fault of preparing or binding is told by
/// Step().
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  /// True: there is a row. False: the statement is done.
  absl::StatusOr<bool> Step();
  /// Steps to the end.
  absl::Status Run();

  // Columns of the row, from 0.
  int64_t Integer(int column) const { return sqlite3_column_int64(handle_, column); }
  /// TEXT or BLOB; empty for NULL.
  std::string Bytes(int column) const;
  bool IsNull(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

 private:
  friend class Database;
  Statement(Database* database, std::string sql, sqlite3_stmt* handle, int error)
      : database_(database), sql_(std::move(sql)), handle_(handle), error_(error) {}

  void BindOne(int index, int64_t value);
  void BindOne(int index, int value) { BindOne(index, int64_t{value}); }
  void BindOne(int index, uint64_t value) { BindOne(index, static_cast<int64_t>(value)); }
  void BindOne(int index, absl::string_view value);
  void BindOne(int index, const std::string& value) { BindOne(index, absl::string_view(value)); }
  void BindOne(int index, const Blob& value);
  void BindOne(int index, std::nullptr_t);
  template <typename T>
  void BindOne(int index, const std::optional<T>& value) {
    value.has_value() ? BindOne(index, *value) : BindOne(index, nullptr);
  }
  void Note(int result);

  Database* database_;
  std::string sql_;
  sqlite3_stmt* handle_;
  int error_;
  bool kept_ = true;  // in its connection's cache, at the end
};

class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, Mode mode);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// A statement with its parameters 1, 2... bound.
  template <typename... Values>
  Statement Query(absl::string_view sql, const Values&... values) {
    Statement statement = Prepare(sql);
    int index = 0;
    (statement.BindOne(++index, values), ...);
    return statement;
  }
  /// The same for a statement that was put together: its text is not kept to be used again.
  Statement QueryOnce(absl::string_view sql, const std::vector<std::variant<int64_t, std::string>>& values);
  /// As Query(), run to its end.
  template <typename... Values>
  absl::Status Run(absl::string_view sql, const Values&... values) {
    return Query(sql, values...).Run();
  }
  /// One or several statements without parameters and results.
  absl::Status Execute(absl::string_view sql);
  /// Rows changed by the newest INSERT, UPDATE or DELETE.
  int64_t num_changed() const { return sqlite3_changes64(handle_); }

  /// kResourceExhausted DISK_FULL, kUnavailable STORE_UNAVAILABLE, kDataLoss STORE_DAMAGED, kAlreadyExists for a
  /// violated constraint, kInternal for the rest. Does not return when a sync has failed: the process ends with
  /// kExitSyncFailed.
  absl::Status StatusOf(int result) const;

  /// From now on commits write what the log has back into the database, some megabytes at a time, and do not overlook
  /// that a sync fails there. For the connection that writes.
  void CheckpointAfterCommits();

 private:
  friend class Statement;
  explicit Database(sqlite3* handle) : handle_(handle) {}
  enum class Use { kAgain, kOnce };
  Statement Prepare(absl::string_view sql, Use use = Use::kAgain);

  sqlite3* handle_;
  absl::flat_hash_map<std::string, sqlite3_stmt*> idle_statements_;
};

/// Rolled back at the end unless it was committed.
class Transaction {
 public:
  enum class Kind { kRead, kWrite };
  static absl::StatusOr<Transaction> Begin(Database& database, Kind kind);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  absl::Status Commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}

  Database* database_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_STORE_SQLITE_H_
