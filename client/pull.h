// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_PULL_H_
#define PIVOT_CLIENT_PULL_H_

// A published checkpoint as a local folder, verified against its manifest.

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "client/connection.h"
#include "client/fetch_file.h"
#include "proto/files/manifest.h"

namespace pivot::client {

struct PullProgress {
  int64_t done_bytes = 0;
  int64_t total_bytes = 0;
  std::string path;
};

struct PullOptions {
  std::function<void(const PullProgress&)> on_progress;
  /// on_progress is not used.
  FetchOptions fetch;
  /// What must stay free on the disk.
  int64_t spare_bytes = int64_t{64} << 20;
};

struct PullSummary {
  ManifestData manifest;
  int64_t fetched_bytes = 0;
  /// Of files that were there already and had the right hash.
  int64_t kept_bytes = 0;
};

/// The manifest of a checkpoint ("projects/p/jobs/j/checkpoints/0"), checked; `text` is the file itself.
struct FetchedManifest {
  ManifestData data;
  std::string text;
};
absl::StatusOr<FetchedManifest> GetManifest(const Connection& connection, const std::string& checkpoint,
                                            const CallLimits& limits);

/// Makes `folder` hold exactly the checkpoint: right files that lie there are kept, others are fetched, the manifest is
/// written last. The folder is made when it is missing; one with files that the checkpoint does not have is refused
/// with kFailedPrecondition, and nothing is ever written outside it. kResourceExhausted before the first byte when the
/// disk is too small; otherwise as FetchFile.
absl::StatusOr<PullSummary> PullCheckpoint(const Connection& connection, const std::string& checkpoint,
                                           const std::string& folder, const PullOptions& options);

/// One file of the checkpoint as `destination`, which is replaced when it exists.
absl::Status PullFile(const Connection& connection, const std::string& checkpoint, const std::string& path,
                      const std::string& destination, const PullOptions& options);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_PULL_H_
