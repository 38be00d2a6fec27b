// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_TEMPORARY_FOLDER_H_
#define PIVOT_CLIENT_TEMPORARY_FOLDER_H_

// Folders that are removed when their owner goes.

#include <string>
#include <utility>

#include "absl/status/statusor.h"

#include "proto/files/durable_file.h"

namespace pivot::client {

/// $TMPDIR when it is an absolute path, else /tmp.
std::string TemporaryParent();

/// A new folder that only this user can enter.
absl::StatusOr<std::string> MakeTemporaryFolder(const std::string& parent);

class ScopedFolder {
 public:
  explicit ScopedFolder(std::string path) : path_(std::move(path)) {}
  ScopedFolder(const ScopedFolder&) = delete;
  ScopedFolder& operator=(const ScopedFolder&) = delete;
  ~ScopedFolder() { RemoveAll(path_).IgnoreError(); }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_TEMPORARY_FOLDER_H_
