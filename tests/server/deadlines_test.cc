// SPDX-License-Identifier: Apache-2.0
// Jobs that wait, or are kept, for so long only, as a client sees it.
#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/server/running_server.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class DeadlinesTest : public ::testing::Test {
 protected:
  DeadlinesTest() {
    server_.options.now = [this] { return absl::Now() + absl::Seconds(ahead_seconds_.load()); };
  }

  /// Workers wait for the gate "go".
  void UseGatedScript() {
    server_.SetScript({{{"await_file", server_.Gate("go")}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  }

  v1::CreateJobRequest RequestWithTtl(int32_t seconds, int32_t nanos = 0) const {
    v1::CreateJobRequest request = server_.CompressRequest();
    request.mutable_job()->mutable_spec()->mutable_ttl()->set_seconds(seconds);
    request.mutable_job()->mutable_spec()->mutable_ttl()->set_nanos(nanos);
    return request;
  }

  grpc::Status Look(const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    v1::Job job;
    return server_.jobs().GetJob(&context, request, &job);
  }

  grpc::Status Update(const v1::Job& job, const std::string& path) {
    v1::UpdateJobRequest request;
    *request.mutable_job() = job;
    request.mutable_update_mask()->add_paths(path);
    grpc::ClientContext context;
    v1::Job updated;
    return server_.jobs().UpdateJob(&context, request, &updated);
  }

  bool IsGone(const std::string& name) {
    return Eventually([&] { return ReasonIn(Look(name)) == "JOB_NOT_FOUND"; });
  }
  bool IsEmptyFolder(const std::string& name) const { return std::filesystem::is_empty(server_.data() + "/" + name); }

  std::atomic<int64_t> ahead_seconds_ = 0;
  RunningServer server_;
};

TEST_F(DeadlinesTest, FailsAJobThatWaitsForTooLong) {
  UseGatedScript();
  server_.Start();
  const std::string running = server_.Create(server_.CompressRequest()).name();
  server_.AwaitState(running, v1::STATE_RUNNING);
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->mutable_queue_timeout()->set_nanos(200'000'000);
  const v1::Job failed = server_.AwaitEnd(server_.Create(request).name());
  EXPECT_EQ(failed.state(), v1::STATE_FAILED);
  EXPECT_EQ(failed.state_reason(), "QUEUE_TIMEOUT");
  EXPECT_EQ(ReasonIn(failed.error()), "QUEUE_TIMEOUT");
  EXPECT_THAT(failed.error().message(), HasSubstr("queue_timeout of 200ms"));
  EXPECT_THAT(failed.attempts(), SizeIs(0));
  EXPECT_EQ(StatesIn(server_.Watch(failed.name())).back(), "FAILED");
  server_.Open("go");
  EXPECT_EQ(server_.AwaitEnd(running).state(), v1::STATE_SUCCEEDED);
}

TEST_F(DeadlinesTest, FailsAtTheStartWhatWaitedThroughARestart) {
  UseGatedScript();
  server_.Start();
  server_.AwaitState(server_.Create(server_.CompressRequest()).name(), v1::STATE_RUNNING);
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->set_priority(1);
  request.mutable_job()->mutable_spec()->mutable_queue_timeout()->set_seconds(3600);
  const std::string name = server_.Create(request).name();
  server_.Stop();
  server_.Start();
  EXPECT_EQ(server_.Get(name).state(), v1::STATE_QUEUED);
  server_.Stop();
  ahead_seconds_ = 3601;
  server_.Start();
  EXPECT_EQ(server_.AwaitEnd(name).state_reason(), "QUEUE_TIMEOUT");
}

TEST_F(DeadlinesTest, DeletesAnEndedJobWithWhatItPublished) {
  UseGatedScript();
  server_.Start();
  const v1::Job job = server_.Create(RequestWithTtl(0, 300'000'000));
  EXPECT_EQ(job.ttl().nanos(), 300'000'000);
  EXPECT_FALSE(job.has_expire_time());
  server_.Open("go");
  EXPECT_TRUE(IsGone(job.name()));
  EXPECT_TRUE(
      Eventually([&] { return IsEmptyFolder("objects") && IsEmptyFolder("staging") && IsEmptyFolder("logs"); }));
}

TEST_F(DeadlinesTest, DeletesAtTheStartWhatExpiredMeanwhile) {
  server_.Start();
  const v1::Job kept = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  const v1::Job job = server_.AwaitEnd(server_.Create(RequestWithTtl(3600)).name());
  EXPECT_EQ(job.expire_time().seconds(), job.end_time().seconds() + 3600);
  server_.Stop();
  server_.Start();
  EXPECT_TRUE(Look(job.name()).ok());
  server_.Stop();
  ahead_seconds_ = 3601;
  server_.Start();
  EXPECT_TRUE(IsGone(job.name()));
  EXPECT_TRUE(Look(kept.name()).ok());
}

TEST_F(DeadlinesTest, HeedsAnUpdateAtOnce) {
  server_.Start();
  v1::Job job = server_.AwaitEnd(server_.Create(RequestWithTtl(3600)).name());
  job.mutable_ttl()->set_seconds(7200);
  ASSERT_TRUE(Update(job, "ttl").ok());
  EXPECT_EQ(server_.Get(job.name()).expire_time().seconds(), job.end_time().seconds() + 7200);
  job.clear_etag();
  ahead_seconds_ = 3601;
  job.clear_ttl();
  ASSERT_TRUE(Update(job, "ttl").ok());
  EXPECT_FALSE(server_.Get(job.name()).has_expire_time());
  job.mutable_ttl()->set_seconds(1);
  Update(job, "ttl");
  EXPECT_TRUE(IsGone(job.name()));
}

TEST_F(DeadlinesTest, RefusesLimitsThatAreNone) {
  UseGatedScript();
  server_.Start();
  EXPECT_EQ(FieldIn(server_.TryCreate(RequestWithTtl(0))), "job.spec.ttl");
  v1::Job job = server_.Create(server_.CompressRequest());
  job.mutable_ttl()->set_seconds(365 * 24 * 3600 + 1);
  EXPECT_EQ(FieldIn(Update(job, "ttl")), "job.ttl");
  job.mutable_queue_timeout()->set_nanos(-1);
  EXPECT_EQ(FieldIn(Update(job, "queue_timeout")), "job.queue_timeout");
}

}  // namespace
}  // namespace pivot
