// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_OUTPUT_FOLDER_H_
#define PIVOT_CLIENT_OUTPUT_FOLDER_H_

// The folder that a command is to make: whether it may, and putting it into place.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pivot::client {

enum class Existing { kRefuse, kReplace };

/// `path` made absolute, links in it followed as far as it exists.
absl::StatusOr<std::string> AbsolutePath(const std::string& path);

/// A usage error when `folder` (absolute) cannot become the output: it is a file, or holds something and may not be
/// replaced, or its parent cannot be written, or replacing it would remove `source`.
absl::Status CheckOutputFolder(const std::string& folder, const std::string& source, Existing existing);

/// ".NAME.pivot" beside the output folder NAME: what a command keeps while it works.
std::string WorkFolderOf(const std::string& output);

/// Gives the finished folder the output's name, in one step even when it replaces another; what it replaces is removed.
/// Both must be on one file system.
absl::Status PutIntoPlace(const std::string& finished, const std::string& output, Existing existing);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_OUTPUT_FOLDER_H_
