// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_SOURCE_PATHS_H_
#define PIVOT_CLIENT_SOURCE_PATHS_H_

// The files of this machine that a job reads.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pivot/v1/job.pb.h"

namespace pivot::client {

/// A model as the user named it, absolute and with the links to its folder followed. kNotFound when it is neither a
/// folder nor a GGUF file, kInvalidArgument for the kinds of source that this version does not read.
absl::StatusOr<std::string> ModelFolder(const std::string& model);

/// The same of a plain file; `what` names it in the message.
absl::StatusOr<std::string> PlainFile(const std::string& path, absl::string_view what);

/// What to call a model at such a path: its file or folder, "NAME" for a snapshot of ORG/NAME in a hub cache.
std::string ModelLabel(const std::string& path);

/// The folders that a private server must be allowed to read for this job, without repetition.
std::vector<std::string> FoldersToRead(const v1::JobSpec& spec);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_SOURCE_PATHS_H_
