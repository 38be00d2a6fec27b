// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_ARTIFACT_RECOVERY_H_
#define PIVOT_SERVER_ARTIFACT_RECOVERY_H_

// What a server finds when it starts, and what it tidies when a job ends.

#include <string>

#include "absl/status/status.h"

#include "server/data_folder.h"
#include "server/executor.h"
#include "server/store/store.h"

namespace pivot {

/// Before the first job: ends the attempts of a server that died, removes objects that were never published, staging
/// folders that nobody can go on from, and logs of deleted jobs.
absl::Status Recover(Store& store, const DataFolder& data);

/// After DeleteJob(): objects, log, and the staging folder unless another job needs it.
absl::Status RemoveFilesOf(const DeletedJob& deleted, Store& store, const DataFolder& data);

/// Removes a staging folder unless some job works in it or could be resumed from it.
absl::Status TidyStaging(Store& store, const DataFolder& data, const std::string& staging_uid);

/// RemoveFilesOf() in `executor`. What is left when the server ends before is removed when it starts again. A file that
/// is being read has no name any more, and is gone when its reader is.
void RemoveFilesLater(DeletedJob deleted, Store* store, const DataFolder* data, Executor* executor);

/// TidyStaging() in `executor`.
void TidyLater(std::string staging_uid, Store* store, const DataFolder* data, Executor* executor);

}  // namespace pivot

#endif  // PIVOT_SERVER_ARTIFACT_RECOVERY_H_
