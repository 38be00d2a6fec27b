// SPDX-License-Identifier: Apache-2.0
#include "server/grpc_status.h"

#include <string>

#include "google/rpc/error_details.pb.h"

#include "proto/status/reason.h"
#include "server/convert.h"
#include "server/errors.h"

namespace pivot {
namespace {

constexpr size_t kMaxStoredMessageBytes = 4096;
constexpr size_t kMaxWireMessageBytes = 1024;
constexpr size_t kMaxWireDetailBytes = 4096;
constexpr size_t kMaxReasonBytes = 63;
constexpr size_t kMaxFieldBytes = 512;

google::rpc::Status Convert(const absl::Status& status, size_t max_message_bytes) {
  google::rpc::Status converted;
  converted.set_code(static_cast<int>(status.code()));
  converted.set_message(Utf8Head(Utf8Tail(status.message(), status.message().size()), max_message_bytes));
  google::rpc::ErrorInfo info;
  info.set_reason(Utf8Head(ReasonOf(status), kMaxReasonBytes));
  info.set_domain("pivot");
  converted.add_details()->PackFrom(info);
  if (const std::string field = FieldOf(status); !field.empty()) {
    google::rpc::BadRequest request;
    google::rpc::BadRequest::FieldViolation& violation = *request.add_field_violations();
    violation.set_field(Utf8Head(field, kMaxFieldBytes));
    violation.set_description(converted.message());
    converted.add_details()->PackFrom(request);
  }
  if (const absl::Duration delay = RetryDelayOf(status); delay > absl::ZeroDuration()) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>((delay % absl::Seconds(1)) / absl::Nanoseconds(1)));
    converted.add_details()->PackFrom(retry);
  }
  return converted;
}

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) { return Convert(status, kMaxStoredMessageBytes); }

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status converted = Convert(status, kMaxWireMessageBytes);
  const auto code = static_cast<grpc::StatusCode>(converted.code());
  const std::string message = converted.message();
  std::string details = converted.SerializeAsString();
  if (details.size() > kMaxWireDetailBytes) {
    // The reason comes first and is short; the message is on the wire once already.
    converted.clear_message();
    converted.mutable_details()->DeleteSubrange(1, converted.details_size() - 1);
    details = converted.SerializeAsString();
  }
  return grpc::Status(code, message, details);
}

}  // namespace pivot
