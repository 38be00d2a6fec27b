// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_ARTIFACT_PUBLISHER_H_
#define PIVOT_SERVER_ARTIFACT_PUBLISHER_H_

// Turns a staged folder into a published checkpoint: verified, immutable, visible all at once.

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pivot/v1/job.pb.h"

#include "server/artifact/staged_folder.h"
#include "server/data_folder.h"
#include "server/store/store.h"

namespace pivot {

struct PublishRequest {
  AttemptKey key;
  std::string job_name;
  std::string staging_folder;
  StagedPivot pivot;
};

/// Any thread; takes as long as hashing does.
class Publisher {
 public:
  Publisher(Store* store, const DataFolder* data) : store_(store), data_(data) {}

  /// Hashes the folder, writes its manifest, moves it to objects/ and makes it visible in one transaction of the store.
  /// When it fails, the folder is gone, and with a failed sync the whole staging folder. Publishing a number again, as
  /// a worker does that was started anew, gives the checkpoint that is there.
  absl::StatusOr<v1::CheckpointRef> Publish(const PublishRequest& request);

  /// Running and later calls end with UNAVAILABLE, soon.
  void Stop() { stopped_ = true; }

 private:
  absl::StatusOr<v1::CheckpointRef> PublishFolder(const PublishRequest& request, const std::string& folder);
  absl::StatusOr<v1::CheckpointRef> WriteManifest(const PublishRequest& request, const std::string& folder);
  absl::Status Move(const PublishRequest& request, const std::string& folder, const CheckpointRecord& checkpoint);

  Store* const store_;
  const DataFolder* const data_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace pivot

#endif  // PIVOT_SERVER_ARTIFACT_PUBLISHER_H_
