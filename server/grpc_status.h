// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_GRPC_STATUS_H_
#define PIVOT_SERVER_GRPC_STATUS_H_

// The only place where a status leaves the server.

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace pivot {

/// With google.rpc.ErrorInfo (the reason, domain "pivot"), BadRequest when a field is at fault, RetryInfo when a delay
/// was given. The message is cut to 4 KiB. Job.error has this form.
google::rpc::Status ToRpcStatus(const absl::Status& status);

/// The same for the wire, where a message may have 1 KiB and the details 4 KiB: more than about 6 KiB would turn the
/// whole error into RESOURCE_EXHAUSTED.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace pivot

#endif  // PIVOT_SERVER_GRPC_STATUS_H_
