// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/server/running_server.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRequestId[] = "6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11";

class CreateJobTest : public ::testing::Test {
 protected:
  CreateJobTest() {
    server_.SetScript({{{"await_file", server_.Gate("go")}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  }

  size_t CountJobs() {
    grpc::ClientContext context;
    v1::ListJobsRequest request;
    request.set_parent(kProject);
    v1::ListJobsResponse response;
    EXPECT_TRUE(server_.jobs().ListJobs(&context, request, &response).ok());
    return static_cast<size_t>(response.jobs_size());
  }

  RunningServer server_;
};

TEST_F(CreateJobTest, ValidatesWithoutCreating) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest("x");
  request.set_validate_only(true);
  const v1::Job job = server_.Create(request);
  EXPECT_EQ(job.name(), "");
  EXPECT_EQ(job.uid(), "");
  EXPECT_EQ(job.plan().total_bytes(), 1000);
  EXPECT_EQ(job.spec().compress().source().path(), server_.model());
  EXPECT_EQ(CountJobs(), 0U);
}

TEST_F(CreateJobTest, RepeatsItsAnswerForARepeatedRequest) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.set_request_id(kRequestId);
  const v1::Job first = server_.Create(request);
  server_.AwaitState(first.name(), v1::STATE_RUNNING);
  std::filesystem::remove_all(server_.model());
  const v1::Job again = server_.Create(request);
  EXPECT_EQ(again.uid(), first.uid());
  EXPECT_EQ(again.state(), v1::STATE_RUNNING) << "the job's current view, though its source is gone";
  EXPECT_EQ(CountJobs(), 1U);
}

TEST_F(CreateJobTest, RefusesARequestIdWithOtherContent) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.set_request_id(kRequestId);
  server_.Create(request);
  request.mutable_job()->mutable_spec()->set_priority(7);
  const grpc::Status status = server_.TryCreate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonIn(status), "REQUEST_ID_REUSED");
}

TEST_F(CreateJobTest, MakesOneJobOfRacingRepetitions) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.set_request_id(kRequestId);
  std::vector<std::string> uids(6);
  std::vector<std::thread> threads;
  for (std::string& uid : uids) threads.emplace_back([&] { uid = server_.Create(request).uid(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(uids, ::testing::Each(uids[0]));
  EXPECT_EQ(CountJobs(), 1U);
}

TEST_F(CreateJobTest, RefusesAnIdThatIsTaken) {
  server_.Start();
  server_.Create(server_.CompressRequest("taken"));
  const grpc::Status status = server_.TryCreate(server_.CompressRequest("taken"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonIn(status), "JOB_EXISTS");
}

TEST_F(CreateJobTest, NamesTheFieldAtFault) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->mutable_compress()->set_bits(11);
  const grpc::Status bits = server_.TryCreate(request);
  EXPECT_EQ(bits.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonIn(bits), "INVALID_SPEC");
  EXPECT_EQ(FieldIn(bits), "job.spec.compress.bits");
  EXPECT_EQ(bits.error_message(), "job.spec.compress.bits must be from 2 to 8");
  request = server_.CompressRequest("Upper");
  EXPECT_EQ(FieldIn(server_.TryCreate(request)), "job_id");
  request = server_.CompressRequest();
  request.set_request_id("no-uuid");
  EXPECT_EQ(FieldIn(server_.TryCreate(request)), "request_id");
  request = server_.CompressRequest();
  request.set_parent("projects/../x");
  EXPECT_EQ(FieldIn(server_.TryCreate(request)), "parent");
}

TEST_F(CreateJobTest, RefusesPathsThatAreNotAllowed) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->mutable_compress()->mutable_source()->set_path("/etc");
  const grpc::Status status = server_.TryCreate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ReasonIn(status), "PATH_NOT_ALLOWED");
  EXPECT_EQ(FieldIn(status), "job.spec.compress.source.path");
}

TEST_F(CreateJobTest, RefusesADeviceThatIsNotThere) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->mutable_spec()->set_device("cuda:0");
  const grpc::Status status = server_.TryCreate(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonIn(status), "DEVICE_NOT_FOUND");
  EXPECT_THAT(status.error_message(), HasSubstr("it has cpu"));
}

TEST_F(CreateJobTest, PassesTheProbesRefusalOn) {
  server_.folder().Write(
      "model/fake_probe.json",
      R"({"answer": {"error": {"code": "INVALID_ARGUMENT", "reason": "UNSUPPORTED_ARCHITECTURE", "message": "no such thing"}}})");
  server_.Start();
  const grpc::Status status = server_.TryCreate(server_.CompressRequest());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonIn(status), "UNSUPPORTED_ARCHITECTURE");
  EXPECT_EQ(CountJobs(), 0U);
}

TEST_F(CreateJobTest, SurvivesAProbeThatHangs) {
  server_.folder().Write("model/fake_probe.json", R"({"hang": true})");
  server_.options.probe_limits.timeout = absl::Milliseconds(300);
  server_.Start();
  const grpc::Status status = server_.TryCreate(server_.CompressRequest());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(ReasonIn(status), "PROBE_TIMEOUT");
}

TEST_F(CreateJobTest, AnswersOthersWhileAProbeHangs) {
  server_.folder().Write("hanging/fake_probe.json", R"({"hang": true})");
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  v1::CreateJobRequest hanging = server_.CompressRequest();
  hanging.mutable_job()->mutable_spec()->mutable_compress()->mutable_source()->set_path(server_.folder() / "hanging");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const grpc::Status status = server_.TryCreate(hanging);
      EXPECT_EQ(ReasonIn(status), "DRAINING");
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(server_.Get(name).name(), name);
  server_.server().Shutdown();
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CreateJobTest, RefusesWhatTheDiskCannotHold) {
  server_.folder().Write("model/fake_probe.json",
                         json{{"answer", {{"plan", {{"disk_bytes", int64_t{1} << 60}}}}}}.dump());
  server_.Start();
  const grpc::Status status = server_.TryCreate(server_.CompressRequest());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonIn(status), "DISK_FULL");
  v1::CreateJobRequest plan = server_.CompressRequest();
  plan.set_validate_only(true);
  EXPECT_EQ(server_.Create(plan).plan().disk_bytes(), int64_t{1} << 60) << "the plan can still be looked at";
}

TEST_F(CreateJobTest, RefusesAnyJobWhenTheDiskIsNearlyFull) {
  server_.options.min_free_disk_bytes = int64_t{1} << 60;
  server_.Start();
  v1::CreateJobRequest generate = server_.CompressRequest();
  generate.mutable_job()->mutable_spec()->mutable_generate()->mutable_source()->set_path(server_.model());
  generate.mutable_job()->mutable_spec()->mutable_generate()->set_prompt("a");
  for (const v1::CreateJobRequest& request : {server_.CompressRequest(), generate}) {
    const grpc::Status status = server_.TryCreate(request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(ReasonIn(status), "DISK_FULL");
    EXPECT_THAT(status.error_message(), HasSubstr("takes no jobs with less than"));
  }
  EXPECT_EQ(CountJobs(), 0U);
}

TEST_F(CreateJobTest, RefusesMoreThanTheQueueHolds) {
  server_.options.queue_limits.total = 1;
  server_.Start();
  server_.AwaitState(server_.Create(server_.CompressRequest()).name(), v1::STATE_RUNNING);
  server_.Create(server_.CompressRequest());
  const grpc::Status status = server_.TryCreate(server_.CompressRequest());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonIn(status), "QUEUE_FULL");
  EXPECT_GT(RetryDelayIn(status), absl::ZeroDuration());
}

TEST_F(CreateJobTest, RefusesToResumeWhatCannotBeResumed) {
  server_.Start();
  const v1::Job running = server_.Create(server_.CompressRequest());
  v1::CreateJobRequest request = server_.CompressRequest();
  request.set_resume_from(running.name());
  EXPECT_EQ(ReasonIn(server_.TryCreate(request)), "ILLEGAL_STATE");
  request.set_resume_from("projects/test/jobs/nothing");
  EXPECT_EQ(ReasonIn(server_.TryCreate(request)), "JOB_NOT_FOUND");
  request.set_resume_from("projects/other/jobs/nothing");
  EXPECT_EQ(FieldIn(server_.TryCreate(request)), "resume_from");
  request.set_resume_from("nonsense");
  EXPECT_EQ(FieldIn(server_.TryCreate(request)), "resume_from");
  const v1::Job waiting = server_.Create(server_.CompressRequest());
  server_.Cancel(waiting.name());
  request.set_resume_from(waiting.name());
  server_.Create(request);
  EXPECT_EQ(ReasonIn(server_.TryCreate(request)), "RESUME_NOT_POSSIBLE") << "another one goes on there already";
  v1::CreateJobRequest generate = request;
  generate.mutable_job()->mutable_spec()->mutable_generate()->mutable_source()->set_path(server_.model());
  generate.mutable_job()->mutable_spec()->mutable_generate()->set_prompt("x");
  EXPECT_EQ(ReasonIn(server_.TryCreate(generate)), "RESUME_NOT_POSSIBLE");
}

TEST_F(CreateJobTest, RefusesAMessageThatIsTooLarge) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.mutable_job()->set_state_reason(std::string(5 << 20, 'x'));
  EXPECT_EQ(server_.TryCreate(request).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(CreateJobTest, SaysWhatTheServerCan) {
  server_.Start();
  const v1::Job job = server_.Create(server_.CompressRequest());
  server_.AwaitState(job.name(), v1::STATE_RUNNING);
  grpc::ClientContext context;
  v1::ServerCapabilities capabilities;
  ASSERT_TRUE(server_.capabilities().GetCapabilities(&context, {}, &capabilities).ok());
  EXPECT_EQ(capabilities.version(), "0.1.0");
  EXPECT_THAT(capabilities.methods(), ::testing::ElementsAre("gptq", "rtn"));
  EXPECT_EQ(capabilities.max_queued_jobs(), 10000);
  EXPECT_EQ(capabilities.max_spec_bytes(), 65536);
  ASSERT_EQ(capabilities.devices_size(), 1);
  EXPECT_EQ(capabilities.devices(0).name(), "cpu");
  EXPECT_EQ(capabilities.devices(0).job(), job.name());
}

}  // namespace
}  // namespace pivot
