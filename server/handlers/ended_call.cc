// SPDX-License-Identifier: Apache-2.0
#include "server/handlers/ended_call.h"

#include <algorithm>
#include <array>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

#include "server/audit/audit_log.h"

namespace pivot {
namespace {

// All others change something or give bytes away, those to come too.
constexpr std::array<absl::string_view, 5> kNotAudited = {"GetJob", "ListJobs", "WatchJob", "WatchJobs",
                                                          "GetCapabilities"};

bool IsAudited(absl::string_view method) {
  return std::find(kNotAudited.begin(), kNotAudited.end(), method) == kNotAudited.end();
}

}  // namespace

void WriteDown(const EndedCall& call, Backend& backend) {
  backend.metrics->CallHandled(call.service, call.method, call.status.code(),
                               absl::FromChrono(std::chrono::steady_clock::now() - call.begin));
  if (!IsAudited(call.method)) return;
  backend.audit->Record({.time = absl::Now(),
                         .principal = call.access.principal,
                         .peer = call.access.peer,
                         .method = call.method,
                         .resource = call.access.resource,
                         .request_id = call.request_id,
                         .status = call.status,
                         .bytes = call.bytes});
}

}  // namespace pivot
