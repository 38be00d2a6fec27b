// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_ARTIFACT_CHECKPOINT_READER_H_
#define PIVOT_SERVER_ARTIFACT_CHECKPOINT_READER_H_

// Reads published checkpoints.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "proto/files/manifest.h"
#include "server/data_folder.h"
#include "server/process/unique_fd.h"
#include "server/store/records.h"

namespace pivot {

struct OpenFile {
  UniqueFd fd;
  int64_t size = 0;
  std::string sha256;
};

/// Functions may be called from any thread and read from disk.
class CheckpointReader {
 public:
  explicit CheckpointReader(const DataFolder* data) : data_(data) {}

  /// manifest.json, byte for byte. kDataLoss CHECKSUM_MISMATCH when it is not what was published.
  absl::StatusOr<std::string> ReadManifest(const CheckpointRecord& checkpoint) const;

  /// A file of the manifest, by the manifest's own spelling: `path` is looked up, never followed. kNotFound
  /// FILE_NOT_FOUND.
  absl::StatusOr<OpenFile> Open(const CheckpointRecord& checkpoint, absl::string_view path);

 private:
  absl::StatusOr<std::shared_ptr<const ManifestData>> LoadManifest(const CheckpointRecord& checkpoint);

  const DataFolder* const data_;
  std::mutex mutex_;
  // The newest few, by object: a pull opens every file of one.
  std::deque<std::pair<std::string, std::shared_ptr<const ManifestData>>> manifests_;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_ARTIFACT_CHECKPOINT_READER_H_
