// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_DATA_FOLDER_H_
#define PIVOT_SERVER_DATA_FOLDER_H_

// The server's data folder; docs/format.md describes it.

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/process/unique_fd.h"

namespace pivot {

class DataFolder {
 public:
  /// Makes the folders that are missing and locks them until the object ends. kFailedPrecondition, naming the folder,
  /// when another server uses it. What a failed call made is removed again.
  static absl::StatusOr<std::unique_ptr<DataFolder>> Open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/pivot.db"; }
  std::string audit() const { return path_ + "/audit.jsonl"; }
  std::string objects() const { return path_ + "/objects"; }
  std::string object(absl::string_view id) const;
  std::string staging() const { return path_ + "/staging"; }
  std::string staging(absl::string_view staging_uid) const;
  std::string logs() const { return path_ + "/logs"; }
  /// With a folder for each attempt, server/worker/attempt_log.h.
  std::string log(absl::string_view job_uid) const;
  std::string log(absl::string_view job_uid, int attempt) const;
  /// Where servers before this one kept what is now in log().
  std::string old_log(absl::string_view job_uid) const;

  /// The folder did not exist before Open().
  bool is_new() const { return is_new_; }

  /// Free for unprivileged writers on its file system; 0 when that cannot be told.
  int64_t FreeBytes() const;

 private:
  DataFolder(std::string path, bool is_new, UniqueFd lock);

  std::string path_;
  bool is_new_;
  UniqueFd lock_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_DATA_FOLDER_H_
