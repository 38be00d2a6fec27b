// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_IDENTITY_GUARDED_FILE_H_
#define PIVOT_SERVER_IDENTITY_GUARDED_FILE_H_

// Files whose content decides who may do what: those that others could change, or read, are refused.

#include <cstddef>
#include <string>
#include <sys/types.h>

#include "absl/status/statusor.h"

namespace pivot {

struct FileGuard {
  mode_t forbidden_mode = 0;  // permission bits that it must not have
  size_t max_bytes = size_t{1} << 20;
};

/// The bytes of a regular file that belongs to root or to this process's user. kFailedPrecondition, with what to do,
/// for any other one; kNotFound and the like when it cannot be read.
absl::StatusOr<std::string> ReadGuardedFile(const std::string& path, const FileGuard& guard);

}  // namespace pivot

#endif  // PIVOT_SERVER_IDENTITY_GUARDED_FILE_H_
