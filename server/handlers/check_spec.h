// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_CHECK_SPEC_H_
#define PIVOT_SERVER_HANDLERS_CHECK_SPEC_H_

// Whether a JobSpec can be a job, as far as that shows without reading its source.

#include "absl/status/status.h"
#include "google/protobuf/duration.pb.h"
#include "pivot/v1/job.pb.h"

#include "server/allowed_paths.h"

namespace pivot {

/// The first fault, with the field's path from the request on ("job.spec.compress.bits"): INVALID_SPEC,
/// PATH_NOT_ALLOWED, SOURCE_NOT_AVAILABLE.
absl::Status CheckSpec(const v1::JobSpec& spec, const AllowedPaths& paths);

/// Above 0 and at most 365 days: what run_timeout, queue_timeout and ttl may be.
bool IsTimeLimit(const google::protobuf::Duration& duration);

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_CHECK_SPEC_H_
