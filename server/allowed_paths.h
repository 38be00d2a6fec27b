// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_ALLOWED_PATHS_H_
#define PIVOT_SERVER_ALLOWED_PATHS_H_

// The folders that jobs may read.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

class AllowedPaths {
 public:
  /// kNotFound when one does not exist.
  static absl::StatusOr<AllowedPaths> Make(absl::Span<const std::string> roots);

  /// OK when `path` is absolute, exists, and lies, links resolved, in one of the folders. kInvalidArgument
  /// INVALID_SPEC, kPermissionDenied PATH_NOT_ALLOWED (whether it exists or not), kFailedPrecondition
  /// SOURCE_NOT_AVAILABLE.
  absl::Status Check(const std::string& path, absl::string_view field) const;

 private:
  explicit AllowedPaths(std::vector<std::string> roots) : roots_(std::move(roots)) {}

  std::vector<std::string> roots_;  // links resolved
};

}  // namespace pivot

#endif  // PIVOT_SERVER_ALLOWED_PATHS_H_
