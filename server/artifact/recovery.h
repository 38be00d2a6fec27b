// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_ARTIFACT_RECOVERY_H_
#define PIVOT_SERVER_ARTIFACT_RECOVERY_H_

// What a server finds when it starts, and what it tidies when a job ends.

#include <string>

#include "absl/status/status.h"

#include "server/data_folder.h"
#include "server/store/store.h"

namespace pivot {

/// Before the first job: ends the attempts of a server that died, removes objects that were never published, staging
/// folders that nobody can go on from, and logs of deleted jobs.
absl::Status Recover(Store& store, const DataFolder& data);

/// After DeleteJob(): objects, log, and the staging folder unless another job needs it.
absl::Status RemoveFilesOf(const DeletedJob& deleted, absl::string_view uid, Store& store, const DataFolder& data);

/// Removes a staging folder unless some job works in it or could be resumed from it.
absl::Status TidyStaging(Store& store, const DataFolder& data, const std::string& staging_uid);

}  // namespace pivot

#endif  // PIVOT_SERVER_ARTIFACT_RECOVERY_H_
