// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "proto/files/crash_point.h"
#include "proto/status/status_macros.h"
#include "server/artifact/recovery.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/log.h"

namespace pivot {

absl::StatusOr<google::protobuf::Empty> DeleteJob(const v1::DeleteJobRequest& request, const Access& access,
                                                  Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobToChange(*backend.store, access, request.name(), "name"));
  PIVOT_ASSIGN_OR_RETURN(DeletedJob deleted, backend.store->DeleteJob(uid, request.etag()));
  Log(Severity::kInfo, "job_deleted", {{"job", request.name()}, {"uid", uid}});
  PIVOT_CRASH_POINT("delete.stored");
  RemoveFilesLater(std::move(deleted), backend.store, backend.data, backend.publishing);
  return google::protobuf::Empty();
}

}  // namespace pivot
