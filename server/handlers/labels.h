// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_LABELS_H_
#define PIVOT_SERVER_HANDLERS_LABELS_H_

// Labels as clients send them.

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "pivot/v1/job.pb.h"

namespace pivot {

/// job.labels. kInvalidArgument INVALID_REQUEST when there are too many, or one is not as pivot.v1.Job says.
absl::StatusOr<std::map<std::string, std::string>> ReadLabels(const v1::Job& job);

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_LABELS_H_
