// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "absl/strings/str_cat.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/handlers/labels.h"

namespace pivot {
namespace {

constexpr int kMaxPriority = 100;
constexpr size_t kMaxShownBytes = 80;

absl::StatusOr<JobChange> ReadChange(const v1::UpdateJobRequest& request) {
  JobChange change;
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "priority") {
      const int priority = request.job().priority();
      if (priority < 0 || priority > kMaxPriority) {
        return InvalidRequest("job.priority", "job.priority must be 0 (for the default, 50) to 100");
      }
      change.priority = priority == 0 ? kDefaultPriority : priority;
    } else if (path == "labels") {
      PIVOT_ASSIGN_OR_RETURN(change.labels, ReadLabels(request.job()));
    } else {
      return InvalidRequest("update_mask", absl::StrCat("update_mask names \"", Utf8Head(path, kMaxShownBytes),
                                                        "\"; allowed: priority, labels"));
    }
  }
  if (change.priority.has_value() || change.labels.has_value()) return change;
  return InvalidRequest("update_mask", "update_mask is empty; allowed: priority, labels");
}

}  // namespace

absl::StatusOr<v1::Job> UpdateJob(const v1::UpdateJobRequest& request, Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const JobChange change, ReadChange(request));
  PIVOT_ASSIGN_OR_RETURN(const std::string uid, FindJobUid(*backend.store, request.job().name(), "job.name"));
  PIVOT_RETURN_IF_ERROR(backend.store->UpdateJob(uid, request.job().etag(), change));
  return ViewJob(*backend.store, *backend.hub, uid);
}

}  // namespace pivot
