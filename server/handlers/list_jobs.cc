// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/handlers/handlers.h"
#include "server/handlers/job_view.h"
#include "server/names.h"

namespace pivot {
namespace {

constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;

}  // namespace

absl::StatusOr<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request, const Access& /*access*/,
                                              Backend& backend) {
  PIVOT_ASSIGN_OR_RETURN(const std::string project, ParseProjectName(request.parent(), "parent"));
  if (request.page_size() < 0) return InvalidRequest("page_size", "page_size must be 0 (for 50) or more");
  const int page_size = request.page_size() == 0 ? kDefaultPageSize : std::min(request.page_size(), kMaxPageSize);
  PIVOT_ASSIGN_OR_RETURN(JobPage page, backend.store->ListJobs({.project = project,
                                                                .filter = request.filter(),
                                                                .order_by = request.order_by(),
                                                                .page_size = page_size,
                                                                .page_token = request.page_token()}));
  v1::ListJobsResponse response;
  for (v1::Job& job : page.jobs) {
    AddProgress(*backend.hub, &job);
    *response.add_jobs() = std::move(job);
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace pivot
