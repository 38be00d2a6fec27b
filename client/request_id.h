// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_REQUEST_ID_H_
#define PIVOT_CLIENT_REQUEST_ID_H_

// UUIDs that make creating a job safe to repeat.

#include <string>

#include "absl/strings/string_view.h"
#include "pivot/v1/job.pb.h"

namespace pivot::client {

/// The same UUID for equal specs over an equal source, always: the same command finds its job again, and a model that
/// was changed in place makes a new one. `chain` tells apart jobs that follow each other with one spec: empty for the
/// first, the uid of the ended job for the one that goes on from it.
std::string RequestIdOf(const v1::JobSpec& spec, absl::string_view chain);

/// Another UUID with every call.
std::string RandomRequestId();

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_REQUEST_ID_H_
