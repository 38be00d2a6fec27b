// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_ARTIFACT_STAGED_FOLDER_H_
#define PIVOT_SERVER_ARTIFACT_STAGED_FOLDER_H_

// A folder that a worker offers for publication: read with distrust.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "pivot/v1/job.pb.h"

#include "proto/files/manifest.h"

namespace pivot {

/// What the worker's PivotStaged frame says.
struct StagedPivot {
  int number = 0;
  std::string directory;  // one name, below the staging folder
  double bits_per_weight = 0;
  double model_bits_per_weight = 0;
  std::optional<v1::Quality> quality;
  double seconds = 0;
  std::string source_name;
  std::string source_digest;
};

/// A line of pivot-N.files.json.
struct ListedFile {
  std::string path;
  std::vector<int64_t> pieces;  // offsets
};

/// docs/format.md describes the list. kDataLoss when it is not one, names a path twice, or one that is unsafe or the
/// server's own.
absl::StatusOr<std::vector<ListedFile>> ParseFileList(absl::string_view json);

/// Refuses a folder that holds anything but folders and the plain files of the list: links, devices, files of no list.
/// Files that are listed and missing are not looked for.
absl::Status CheckFolderHoldsOnly(const std::string& folder, absl::Span<const ListedFile> files);

/// Makes every file read-only and hashes it at the list's cuts; synced to disk, sorted by path. Takes a few threads;
/// asks `stopped` between files, from any of them.
absl::StatusOr<std::vector<ManifestFile>> SealAndHash(const std::string& folder, absl::Span<const ListedFile> files,
                                                      const std::function<bool()>& stopped);

/// Syncs the folder and every folder below it.
absl::Status SyncFolders(const std::string& folder);

}  // namespace pivot

#endif  // PIVOT_SERVER_ARTIFACT_STAGED_FOLDER_H_
