// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_PROTO_FILES_DURABLE_FILE_H_
#define PIVOT_PROTO_FILES_DURABLE_FILE_H_

// Files that are either whole on disk or not there.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot {

/// "cannot open PATH: No such file or directory". ENOENT and ENOTDIR give kNotFound; ENOSPC, EDQUOT, ENOMEM, EMFILE and
/// ENFILE kResourceExhausted (the first two with reason DISK_FULL); EACCES and EPERM kPermissionDenied; EEXIST
/// kAlreadyExists; the rest kUnavailable.
absl::Status StatusFromErrno(int error, absl::string_view action, absl::string_view path);

/// The whole of a regular file; kInvalidArgument when it is larger than `max_bytes` or not a regular file.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes);

/// Writes PATH.part, syncs it, renames it to PATH and syncs the folder. An existing file is replaced.
absl::Status WriteFileDurably(const std::string& path, absl::string_view content);

/// Writes all of `bytes` at the offset of an open file; `path` is for messages.
absl::Status WriteAt(int fd, int64_t offset, absl::string_view bytes, const std::string& path);

/// fsync. `path` is for messages.
absl::Status SyncFile(int fd, const std::string& path);

absl::Status SyncFolder(const std::string& path);

/// Whether this is the error of a sync. Linux calls pages that it could not write clean: what was written can be read,
/// may never come to the disk, and a second sync would not tell.
bool IsSyncFailure(const absl::Status& status);

/// The folder and its parents; no error when it exists.
absl::Status MakeFolders(const std::string& path);

/// Removes a file or a folder with all it holds; no error when it is not there.
absl::Status RemoveAll(const std::string& path);

}  // namespace pivot

#endif  // PIVOT_PROTO_FILES_DURABLE_FILE_H_
