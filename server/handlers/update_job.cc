// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "proto/status/status_macros.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/handlers/check_spec.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/handlers/labels.h"

namespace pivot {
namespace {

constexpr int kMaxPriority = 100;
constexpr size_t kMaxShownBytes = 80;

constexpr char kAllowed[] = "priority, labels, queue_timeout, ttl";

absl::StatusOr<int> ReadPriority(const v1::Job& job) {
  if (job.priority() >= 0 && job.priority() <= kMaxPriority) {
    return job.priority() == 0 ? kDefaultPriority : job.priority();
  }
  return InvalidRequest("job.priority", "job.priority must be 0 (for the default, 50) to 100");
}

/// Infinite for none.
absl::StatusOr<absl::Duration> ReadLimit(bool is_set, const google::protobuf::Duration& limit,
                                         absl::string_view field) {
  if (!is_set) return absl::InfiniteDuration();
  if (IsTimeLimit(limit)) return FromDuration(limit);
  return InvalidRequest(field, absl::StrCat(field, " must be above 0 and at most 365 days, or absent"));
}

absl::StatusOr<JobChange> ReadChange(const v1::UpdateJobRequest& request) {
  const v1::Job& job = request.job();
  JobChange change;
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "priority") {
      PIVOT_ASSIGN_OR_RETURN(change.priority, ReadPriority(job));
    } else if (path == "labels") {
      PIVOT_ASSIGN_OR_RETURN(change.labels, ReadLabels(job));
    } else if (path == "queue_timeout") {
      PIVOT_ASSIGN_OR_RETURN(change.queue_timeout,
                             ReadLimit(job.has_queue_timeout(), job.queue_timeout(), "job.queue_timeout"));
    } else if (path == "ttl") {
      PIVOT_ASSIGN_OR_RETURN(change.ttl, ReadLimit(job.has_ttl(), job.ttl(), "job.ttl"));
    } else {
      return InvalidRequest("update_mask", absl::StrCat("update_mask names \"", Utf8Head(path, kMaxShownBytes),
                                                        "\"; allowed: ", kAllowed));
    }
  }
  if (!request.update_mask().paths().empty()) return change;
  return InvalidRequest("update_mask", absl::StrCat("update_mask is empty; allowed: ", kAllowed));
}

}  // namespace

absl::StatusOr<v1::Job> UpdateJob(const v1::UpdateJobRequest& request, const Access& access, Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const JobChange change, ReadChange(request));
  PIVOT_ASSIGN_OR_RETURN(const std::string uid,
                         FindJobToChange(*backend.store, access, request.job().name(), "job.name"));
  PIVOT_RETURN_IF_ERROR(backend.store->UpdateJob(uid, request.job().etag(), change));
  backend.deadlines->Kick();
  return ViewJob(*backend.store, *backend.hub, uid);
}

}  // namespace pivot
