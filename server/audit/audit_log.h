// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_AUDIT_AUDIT_LOG_H_
#define PIVOT_SERVER_AUDIT_AUDIT_LOG_H_

// Who did what: one JSON object a line, in a file that only grows. docs/identity.md describes it.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "server/process/unique_fd.h"

namespace pivot {

struct AuditEntry {
  absl::Time time;
  std::string principal;  // empty: not known
  std::string peer;
  std::string method;
  std::string resource;
  std::string request_id;
  absl::Status status;
  int64_t bytes = 0;
};

/// {"time", "principal", "peer", "method", "resource", "request_id", "code", "reason", "bytes"} and a newline; the
/// reason only of a call that failed.
std::string AuditLine(const AuditEntry& entry);

class AuditLog {
 public:
  struct Options {
    std::string path;                         // made with mode 0600
    std::function<void(int64_t lines)> lost;  // lines that could not be written
    size_t max_waiting = 100'000;             // lines; more are lost
  };

  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(Options options);
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;
  /// Writes and syncs what was recorded.
  ~AuditLog();

  /// Any thread; returns at once. A thread of its own writes the line and, once a second, syncs.
  void Record(const AuditEntry& entry);

  /// Opens the path anew: the file that was there may have been moved away. Lines recorded before are in the old one.
  absl::Status Reopen();

 private:
  AuditLog(Options options, UniqueFd file);

  void Run();
  void Write(const std::vector<std::string>& lines);
  void Lose(int64_t lines, const absl::Status& why);

  const Options options_;

  std::mutex file_mutex_;  // held while the file is written or changed
  UniqueFd file_;
  bool torn_ = false;  // its last line is not whole
  absl::Time complained_ = absl::InfinitePast();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> waiting_;
  int64_t overflown_ = 0;  // lines lost since the thread last looked
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_AUDIT_AUDIT_LOG_H_
