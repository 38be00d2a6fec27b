// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_COMPRESSION_H_
#define PIVOT_CLIENT_COMPRESSION_H_

// From a model's folder to a compressed one in place: what `pivot compress` does.

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pivot/v1/job.pb.h"

#include "client/console.h"
#include "client/output_folder.h"
#include "client/server_address.h"
#include "client/view/reporter.h"
#include "proto/files/manifest.h"

namespace pivot::client {

struct CompressionRequest {
  v1::JobSpec spec;
  /// Absolute.
  std::string output;
  Existing existing = Existing::kRefuse;
  /// Empty: a private server, whose data lie in WorkFolderOf(output).
  ServerAddress server;
};

struct CompressionReport {
  /// As it ended.
  v1::Job job;
  /// Of the checkpoint that now lies in the output folder; absent when none was published.
  std::optional<ManifestData> delivered;
  /// Whether the job did what was asked: JobOutcome(job), or Interrupted().
  absl::Status outcome;
  /// Work that the same command would go on from; empty when there is none.
  std::string kept_folder;
};

/// Finds the job that an earlier call with an equal request began, or makes one, follows it, and puts its newest
/// checkpoint into place. When console.interrupted is requested the job is cancelled, and what it published is still
/// delivered. A status that is not OK: no job could be made, or followed, or its checkpoint not fetched.
absl::StatusOr<CompressionReport> RunCompression(const CompressionRequest& request, const Console& console,
                                                 Reporter* reporter);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_COMPRESSION_H_
