// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_FOLDER_LOCK_H_
#define PIVOT_CLIENT_FOLDER_LOCK_H_

// One command at a time in a work folder.

#include <string>

#include "absl/status/statusor.h"

#include "client/unique_fd.h"

namespace pivot::client {

/// Held until the object goes or the process ends, however it ends.
class FolderLock {
 public:
  /// Makes the folder when it is missing. kFailedPrecondition with reason FOLDER_IN_USE, naming the process, when
  /// another one holds it.
  static absl::StatusOr<FolderLock> Acquire(const std::string& folder);

 private:
  explicit FolderLock(UniqueFd file) : file_(std::move(file)) {}

  UniqueFd file_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_FOLDER_LOCK_H_
