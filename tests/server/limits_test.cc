// SPDX-License-Identifier: Apache-2.0
// What one caller, and one project, may have at once.
#include <memory>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/server/identity_fixture.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

class LimitsTest : public IdentityCallsTest {
 protected:
  LimitsTest() { server_.SetScript({{{"hang", true}}}); }

  struct Watch {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientReader<v1::JobEvent>> reader;
    bool begun = false;
  };

  Watch WatchAs(const std::string& principal) {
    v1::WatchJobsRequest request;
    request.set_parent(kProject);
    request.set_from_now(true);
    Watch watch{.context = As(principal)};
    watch.reader = server_.jobs().WatchJobs(watch.context.get(), request);
    v1::JobEvent event;
    watch.begun = watch.reader->Read(&event);
    return watch;
  }
};

TEST_F(LimitsTest, HoldEachCallerToHisWatches) {
  SetIdentity(IdentityOf({{"anna", "test", "viewer"}, {"ben", "test", "viewer"}}));
  server_.options.stream_limits.watchers_per_principal = 1;
  server_.Start();
  Watch first = WatchAs("anna");
  EXPECT_TRUE(first.begun);
  Watch second = WatchAs("anna");
  EXPECT_FALSE(second.begun);
  const grpc::Status refused = second.reader->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonIn(refused), "QUOTA_EXCEEDED");
  EXPECT_GT(RetryDelayIn(refused), absl::ZeroDuration());
  EXPECT_TRUE(WatchAs("ben").begun) << "others are not held to it";
  first.context->TryCancel();
  first.reader->Finish();
  EXPECT_TRUE(Eventually([&] { return WatchAs("anna").begun; })) << "an ended one leaves its place";
}

TEST_F(LimitsTest, HoldTheServerToItsDownloads) {
  server_.options.stream_limits.data_streams = 0;
  server_.Start();
  EXPECT_EQ(ReasonIn(server_.ReadFile("projects/test/jobs/j/checkpoints/0", "f").status), "SERVER_BUSY");
}

TEST_F(LimitsTest, HoldEachProjectToItsQueue) {
  server_.options.queue_limits.of_project = 1;
  server_.Start();
  server_.AwaitState(server_.Create(server_.CompressRequest("on-the-device")).name(), v1::STATE_RUNNING);
  ASSERT_TRUE(server_.TryCreate(server_.CompressRequest("a")).ok());
  const grpc::Status refused = server_.TryCreate(server_.CompressRequest("b"));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonIn(refused), "QUOTA_EXCEEDED");
  EXPECT_GT(RetryDelayIn(refused), absl::ZeroDuration());
  v1::CreateJobRequest other = server_.CompressRequest("b");
  other.set_parent("projects/other");
  EXPECT_TRUE(server_.TryCreate(other).ok()) << "others are not held to it";
}

TEST_F(LimitsTest, AreTold) {
  SetIdentity(IdentityOf({{"anna", "test", "viewer"}}));
  server_.options.stream_limits.watchers_per_principal = 7;
  server_.Start();
  v1::ServerCapabilities capabilities;
  ASSERT_TRUE(server_.capabilities().GetCapabilities(As("anna").get(), {}, &capabilities).ok());
  const v1::ServerLimits& limits = capabilities.limits();
  EXPECT_EQ(limits.max_queued_jobs(), 10'000);
  EXPECT_EQ(limits.max_queued_jobs_per_project(), 1'000);
  EXPECT_EQ(limits.max_watchers(), 10'000);
  EXPECT_EQ(limits.max_watchers_per_principal(), 7);
  EXPECT_EQ(limits.max_data_streams(), 256);
  EXPECT_EQ(limits.max_data_streams_per_principal(), 64);
  EXPECT_EQ(limits.max_streams_per_connection(), 256);
  EXPECT_EQ(limits.max_metadata_bytes(), 8192);
}

}  // namespace
}  // namespace pivot
