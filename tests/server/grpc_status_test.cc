// SPDX-License-Identifier: Apache-2.0
#include "server/grpc_status.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/errors.h"

namespace pivot {
namespace {

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

template <typename Detail>
Detail Find(const google::rpc::Status& status) {
  Detail detail;
  for (const auto& any : status.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  ADD_FAILURE() << "no such detail";
  return detail;
}

TEST(GrpcStatusTest, KeepsCodeMessageReasonAndField) {
  const grpc::Status status = ToGrpcStatus(InvalidSpec("job.spec.priority", "job.spec.priority must be 0 to 100"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "job.spec.priority must be 0 to 100");
  const google::rpc::Status details = Details(status);
  EXPECT_EQ(details.code(), 3);
  EXPECT_EQ(details.message(), status.error_message());
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(details).reason(), "INVALID_SPEC");
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(details).domain(), "pivot");
  EXPECT_EQ(Find<google::rpc::BadRequest>(details).field_violations(0).field(), "job.spec.priority");
  EXPECT_EQ(details.details_size(), 2) << "no retry was offered";
}

TEST(GrpcStatusTest, OffersARetryWhereOneMakesSense) {
  const google::rpc::Status details =
      Details(ToGrpcStatus(WithRetryDelay(absl::UnavailableError("x"), absl::Milliseconds(1500))));
  EXPECT_EQ(Find<google::rpc::RetryInfo>(details).retry_delay().seconds(), 1);
  EXPECT_EQ(Find<google::rpc::RetryInfo>(details).retry_delay().nanos(), 500000000);
  EXPECT_EQ(Find<google::rpc::ErrorInfo>(details).reason(), "UNAVAILABLE");
}

TEST(GrpcStatusTest, LeavesOkAlone) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

TEST(GrpcStatusTest, StaysWithinWhatTheWireCarries) {
  const std::string wide(20000, 'x');
  const grpc::Status status = ToGrpcStatus(WithReason(absl::InternalError(wide), wide, wide));
  EXPECT_LE(status.error_message().size(), 1024U);
  EXPECT_LE(status.error_details().size(), 4096U);
  EXPECT_FALSE(Find<google::rpc::ErrorInfo>(Details(status)).reason().empty());
}

TEST(GrpcStatusTest, SendsValidUtf8Only) {
  const grpc::Status status =
      ToGrpcStatus(absl::InternalError("a\xFF"
                                       "b"));
  EXPECT_EQ(status.error_message(), "a?b");
  std::string many;
  for (int i = 0; i < 600; ++i) many += "\xC3\xA4";
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("x" + many)).error_message().size(), 1023U);
}

TEST(GrpcStatusTest, KeepsMoreOfAJobsError) {
  EXPECT_EQ(ToRpcStatus(absl::InternalError(std::string(20000, 'x'))).message().size(), 4096U);
}

}  // namespace
}  // namespace pivot
