// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "proto/status/status_macros.h"
#include "server/artifact/recovery.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/log.h"

namespace pivot {

absl::StatusOr<google::protobuf::Empty> DeleteJob(const v1::DeleteJobRequest& request, Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend.store, request.name(), "name"));
  PIVOT_ASSIGN_OR_RETURN(DeletedJob deleted, backend.store->DeleteJob(uid, request.etag()));
  Log(Severity::kInfo, "job_deleted", {{"job", request.name()}, {"uid", uid}});
  // Its watchers look, and find nothing.
  backend.hub->Notify(uid);
  // What is left when the server ends before this is done is swept when it starts. A file that is being read has no
  // name any more, and is gone when its reader is.
  backend.publishing->Post([store = backend.store, data = backend.data, uid, deleted = std::move(deleted)] {
    const absl::Status status = RemoveFilesOf(deleted, uid, *store, *data);
    if (!status.ok()) Log(Severity::kWarning, "files_not_removed", {{"uid", uid}, {"message", status}});
  });
  return google::protobuf::Empty();
}

}  // namespace pivot
