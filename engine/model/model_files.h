// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_MODEL_MODEL_FILES_H_
#define PIVOT_ENGINE_MODEL_MODEL_FILES_H_

// Names and texts of the files of somebody else's folder.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pivot {

/// Whatever the case of its letters.
bool EndsWithAny(absl::string_view name, absl::Span<const absl::string_view> endings);

/// kInvalidArgument with reason UNSAFE_SOURCE.
absl::Status UnsafeSource(absl::string_view message);

/// A link may lead to another place of the folder, or to the blobs of the hub cache the folder is a snapshot of; else
/// UNSAFE_SOURCE.
absl::Status CheckInside(const std::string& folder, const std::string& file);

/// A file of the folder of at most kMaxSmallFileBytes. UNSAFE_SOURCE, kNotFound...
absl::StatusOr<std::string> ReadTextFile(const std::string& folder, const std::string& name);

}  // namespace pivot

#endif  // PIVOT_ENGINE_MODEL_MODEL_FILES_H_
