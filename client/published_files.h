// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_PUBLISHED_FILES_H_
#define PIVOT_CLIENT_PUBLISHED_FILES_H_

// What a private server has published lies on this disk already.

#include <string>

#include "absl/strings/string_view.h"

namespace pivot::client {

/// Gives `folder` hard links to the files of the checkpoint whose manifest has this hash, where `data_folder`, a
/// server's, has it and links can be made. Nothing is trusted: PullCheckpoint verifies what lies there and fetches the
/// rest.
void LinkPublishedFiles(const std::string& data_folder, absl::string_view manifest_sha256, const std::string& folder);

/// Gives the user's own rights back to files that a server made read-only.
void MakeFilesWritable(const std::string& folder);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_PUBLISHED_FILES_H_
