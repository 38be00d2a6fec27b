// SPDX-License-Identifier: Apache-2.0
#include "client/connection.h"

#include <chrono>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

#include "client/backoff.h"
#include "client/jobs.h"
#include "proto/status/reason.h"
#include "tests/client/fake_service.h"
#include "tests/support/status_matchers.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;

google::rpc::Status RichStatus(absl::StatusCode code) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(code));
  status.set_message("words");
  google::rpc::ErrorInfo info;
  info.set_reason("QUEUE_FULL");
  info.set_domain("pivot");
  status.add_details()->PackFrom(info);
  google::rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("job.spec.compress.bits");
  status.add_details()->PackFrom(bad_request);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  status.add_details()->PackFrom(retry);
  return status;
}

TEST(ConnectTest, RefusesWhatIsNoAddress) {
  for (const char* address :
       {"", "unix:", "localhost", "localhost:0", "localhost:65536", ":80", "http://host:80/", "a:b"}) {
    const auto connection = Connect(address);
    EXPECT_THAT(connection, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not a server's address")))
        << address;
    EXPECT_EQ(ReasonOf(connection.status()), "USAGE");
  }
}

TEST(ConnectTest, TakesSocketsAndPorts) {
  for (const char* address : {"unix:/a/b", "unix:a", "localhost:1", "127.0.0.1:65535", "[::1]:80"}) {
    EXPECT_OK(Connect(address)) << address;
  }
}

TEST(FromGrpcStatusTest, KeepsCodeMessageReasonFieldAndDelay) {
  const grpc::Status wire(grpc::StatusCode::RESOURCE_EXHAUSTED, "words",
                          RichStatus(absl::StatusCode::kResourceExhausted).SerializeAsString());
  const absl::Status status = FromGrpcStatus(wire, "unix:/s");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "words"));
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  EXPECT_EQ(FieldOf(status), "job.spec.compress.bits");
  EXPECT_EQ(RetryDelayOf(status), absl::Milliseconds(1500));
}

TEST(FromGrpcStatusTest, SaysWhichServerDoesNotAnswer) {
  for (const auto code : {grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::DEADLINE_EXCEEDED}) {
    const absl::Status status = FromGrpcStatus({code, "refused"}, "localhost:7");
    EXPECT_THAT(std::string(status.message()), HasSubstr("the server at localhost:7 does not answer (refused)"));
    EXPECT_EQ(ReasonOf(status), "SERVER_UNREACHABLE");
  }
}

TEST(FromGrpcStatusTest, LeavesAServersOwnUnavailableAsItIs) {
  const grpc::Status wire(grpc::StatusCode::UNAVAILABLE, "words",
                          RichStatus(absl::StatusCode::kUnavailable).SerializeAsString());
  EXPECT_EQ(FromGrpcStatus(wire, "a:1").message(), "words");
}

TEST(FromGrpcStatusTest, SurvivesDetailsThatAreNone) {
  const absl::Status status = FromGrpcStatus({grpc::StatusCode::INTERNAL, "m", "\xff\xff not a message"}, "a:1");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, "m"));
  EXPECT_EQ(RetryDelayOf(status), absl::ZeroDuration());
}

TEST(FromRpcStatusTest, ReadsAJobsError) {
  const absl::Status status = FromRpcStatus(RichStatus(absl::StatusCode::kInternal));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal, "words"));
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
}

TEST(FromRpcStatusTest, NeverMakesAnErrorOk) {
  google::rpc::Status error;
  EXPECT_FALSE(FromRpcStatus(error).ok());
  error.set_code(99);
  EXPECT_THAT(FromRpcStatus(error), StatusIs(absl::StatusCode::kUnknown, ""));
}

TEST(MakeCallTest, TriesAgainWhenTheServerIsBrieflyAway) {
  int calls = 0;
  FakeService service({.get_job = [&](const v1::GetJobRequest& request, v1::Job* job) -> grpc::Status {
    if (++calls < 3) return {grpc::StatusCode::UNAVAILABLE, "not now"};
    job->set_name(request.name());
    return grpc::Status::OK;
  }});
  const auto job = GetJob(*Connect(service.address()), "projects/default/jobs/j");
  ASSERT_OK(job);
  EXPECT_EQ(job->name(), "projects/default/jobs/j");
  EXPECT_EQ(calls, 3);
}

TEST(MakeCallTest, TakesACallThatAServerDroppedWhileItStopsForUnanswered) {
  const Connection connection{.address = "unix:/x"};
  const absl::Status status = MakeCall(
      connection, {}, [](grpc::ClientContext*) { return grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED"); });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("shutting down"));
}

TEST(MakeCallTest, EndsWhenStopped) {
  std::stop_source stop;
  FakeService service({.get_job = [&](const v1::GetJobRequest&, v1::Job*) {
    stop.request_stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return grpc::Status::OK;
  }});
  const auto job = GetJob(*Connect(service.address()), "j", {.stop = stop.get_token()});
  EXPECT_TRUE(IsInterrupted(job.status())) << job.status();
}

TEST(ListJobsTest, ReadsPageAfterPageUpToTheLimit) {
  FakeService service({.list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* page) {
    const int begin = request.page_token().empty() ? 0 : std::stoi(request.page_token());
    for (int i = begin; i < begin + std::min(request.page_size(), 3) && i < 8; ++i) {
      page->add_jobs()->set_name(std::to_string(i));
    }
    if (begin + page->jobs_size() < 8) page->set_next_page_token(std::to_string(begin + page->jobs_size()));
    return grpc::Status::OK;
  }});
  const auto connection = Connect(service.address());
  const auto all = ListJobs(*connection, kDefaultProject);
  ASSERT_OK(all);
  EXPECT_EQ(all->size(), 8U);
  EXPECT_EQ(all->back().name(), "7");
  const auto five = ListJobs(*connection, kDefaultProject, {.limit = 5});
  ASSERT_OK(five);
  EXPECT_EQ(five->size(), 5U);
}

TEST(JobNameTest, CompletesIdsAndRefusesTheRest) {
  EXPECT_THAT(*JobName("a1-b"), "projects/default/jobs/a1-b");
  EXPECT_THAT(*JobName("projects/p/jobs/j"), "projects/p/jobs/j");
  for (const char* text : {"", "A", "1a", "a/b", "projects/p/jobs/", "projects/p/other/j", "../x"}) {
    EXPECT_THAT(JobName(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not a job's name"))) << text;
  }
}

TEST(BackoffTest, DoublesItsBoundUpToTheLongest) {
  Backoff backoff({.first = absl::Milliseconds(100), .longest = absl::Milliseconds(350)});
  for (const int bound_milliseconds : {100, 200, 350, 350}) {
    const absl::Duration delay = backoff.Next();
    EXPECT_GE(delay, absl::ZeroDuration());
    EXPECT_LE(delay, absl::Milliseconds(bound_milliseconds));
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), absl::Milliseconds(100));
}

}  // namespace
}  // namespace pivot::client
