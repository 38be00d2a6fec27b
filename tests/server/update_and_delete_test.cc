// SPDX-License-Identifier: Apache-2.0
// Jobs that are labelled, found, updated and deleted, as a client sees it.
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "tests/server/running_server.h"
#include "tests/support/eventually.h"

namespace pivot {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kRequestId[] = "6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11";
constexpr size_t kLargeBytes = size_t{16} << 20;

class UpdateAndDeleteTest : public ::testing::Test {
 protected:
  grpc::Status Delete(const std::string& name, const std::string& etag = "") {
    v1::DeleteJobRequest request;
    request.set_name(name);
    request.set_etag(etag);
    grpc::ClientContext context;
    google::protobuf::Empty nothing;
    return server_.jobs().DeleteJob(&context, request, &nothing);
  }

  grpc::Status Update(const v1::Job& job, const std::vector<std::string>& paths) {
    v1::UpdateJobRequest request;
    *request.mutable_job() = job;
    for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
    grpc::ClientContext context;
    return server_.jobs().UpdateJob(&context, request, &job_);
  }

  std::vector<std::string> List(const std::string& filter, const std::string& order_by = "") {
    v1::ListJobsRequest request;
    request.set_parent(kProject);
    request.set_filter(filter);
    request.set_order_by(order_by);
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    const grpc::Status status = server_.jobs().ListJobs(&context, request, &response);
    if (!status.ok()) return {status.error_message()};
    std::vector<std::string> names;
    for (const v1::Job& job : response.jobs()) names.push_back(job.name());
    return names;
  }

  grpc::Status Missing(const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    v1::Job job;
    return server_.jobs().GetJob(&context, request, &job);
  }

  bool IsEmptyFolder(const std::string& name) const { return std::filesystem::is_empty(server_.data() + "/" + name); }

  RunningServer server_;
  v1::Job job_;  // the newest answer
};

TEST_F(UpdateAndDeleteTest, LabelsAndFindsJobs) {
  server_.SetScript({{{"await_file", server_.Gate("never")}}});
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest("a");
  (*request.mutable_job()->mutable_labels())["team"] = "vision";
  v1::Job a = server_.Create(request);
  EXPECT_THAT(a.labels(), ElementsAre(Pair("team", "vision")));
  const v1::Job b = server_.Create(server_.CompressRequest("b"));
  EXPECT_THAT(List("labels.team = vision"), ElementsAre(a.name()));
  EXPECT_THAT(List("state = QUEUED OR state = RUNNING", "create_time"), ElementsAre(a.name(), b.name()));
  EXPECT_THAT(List("colour = red"), ElementsAre(HasSubstr("filter, character 1: 'colour' is no field")));
  (*a.mutable_labels())["Team"] = "x";
  EXPECT_THAT(Update(a, {"labels"}).error_message(), HasSubstr("the key \"Team\" is not"));
  request.set_request_id(kRequestId);
  request.set_job_id("again");
  EXPECT_TRUE(server_.TryCreate(request).ok());
  (*request.mutable_job()->mutable_labels())["team"] = "text";
  EXPECT_EQ(ReasonIn(server_.TryCreate(request)), "REQUEST_ID_REUSED") << "labels are part of the request";
  request.set_job_id("c");
  request.clear_request_id();
  (*request.mutable_job()->mutable_labels())["team"] = std::string(64, 'x');
  EXPECT_EQ(FieldIn(server_.TryCreate(request)), "job.labels");
}

TEST_F(UpdateAndDeleteTest, LetsAnUrgentJobGoFirst) {
  server_.SetScript({{{"await_file", server_.Gate("go")}}, {{"pivot", json::object()}}, {{"send", "Done"}}});
  server_.Start();
  server_.AwaitState(server_.Create(server_.CompressRequest()).name(), v1::STATE_RUNNING);
  const std::string first = server_.Create(server_.CompressRequest("first")).name();
  v1::Job second = server_.Create(server_.CompressRequest("second"));
  second.set_priority(90);
  ASSERT_TRUE(Update(second, {"priority"}).ok());
  EXPECT_EQ(job_.priority(), 90);
  EXPECT_NE(job_.etag(), second.etag());
  second.set_priority(10);
  const grpc::Status stale = Update(second, {"priority"});
  EXPECT_EQ(stale.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ReasonIn(stale), "ETAG_MISMATCH");
  server_.Open("go");
  const v1::Job after = server_.AwaitEnd(first);
  const v1::Job before = server_.AwaitEnd(second.name());
  EXPECT_LT(before.start_time().seconds() * 1000000000 + before.start_time().nanos(),
            after.start_time().seconds() * 1000000000 + after.start_time().nanos());
}

TEST_F(UpdateAndDeleteTest, SaysWhatCannotBeUpdated) {
  server_.Start();
  v1::Job job = server_.Create(server_.CompressRequest());
  EXPECT_EQ(FieldIn(Update(job, {})), "update_mask");
  EXPECT_THAT(Update(job, {"priority", "spec.device"}).error_message(),
              HasSubstr("\"spec.device\"; allowed: priority"));
  job.set_priority(101);
  EXPECT_EQ(FieldIn(Update(job, {"priority"})), "job.priority");
  job.set_priority(5);
  job.clear_etag();
  server_.AwaitEnd(job.name());
  EXPECT_EQ(ReasonIn(Update(job, {"priority"})), "ILLEGAL_STATE");
  job.set_name("projects/test/jobs/nothing");
  EXPECT_EQ(ReasonIn(Update(job, {"priority"})), "JOB_NOT_FOUND");
}

TEST_F(UpdateAndDeleteTest, DeletesAJobWithItsFiles) {
  server_.Start();
  const v1::Job job = server_.AwaitEnd(server_.Create(server_.CompressRequest("gone")).name());
  ASSERT_FALSE(IsEmptyFolder("objects"));
  EXPECT_EQ(ReasonIn(Delete(job.name(), "other")), "ETAG_MISMATCH");
  ASSERT_TRUE(Delete(job.name(), job.etag()).ok());
  EXPECT_EQ(ReasonIn(Missing(job.name())), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonIn(Delete(job.name())), "JOB_NOT_FOUND");
  EXPECT_EQ(ReasonIn(server_.ReadFile(job.checkpoints(0).name(), "config.json").status), "CHECKPOINT_NOT_FOUND");
  EXPECT_TRUE(
      Eventually([&] { return IsEmptyFolder("objects") && IsEmptyFolder("staging") && IsEmptyFolder("logs"); }));
  const v1::Job again = server_.Create(server_.CompressRequest("gone"));
  EXPECT_NE(again.uid(), job.uid());
}

TEST_F(UpdateAndDeleteTest, DeletesNothingThatRuns) {
  server_.SetScript({{{"await_file", server_.Gate("never")}}});
  server_.Start();
  const std::string name = server_.Create(server_.CompressRequest()).name();
  server_.AwaitState(name, v1::STATE_RUNNING);
  const grpc::Status refused = Delete(name);
  EXPECT_EQ(ReasonIn(refused), "ILLEGAL_STATE");
  EXPECT_THAT(refused.error_message(), HasSubstr("is RUNNING: only a job that has ended or is suspended"));
}

TEST_F(UpdateAndDeleteTest, DoesNotMakeADeletedJobAgainByItsRequest) {
  server_.Start();
  v1::CreateJobRequest request = server_.CompressRequest();
  request.set_request_id(kRequestId);
  const std::string name = server_.AwaitEnd(server_.Create(request).name()).name();
  ASSERT_TRUE(Delete(name).ok());
  const grpc::Status again = server_.TryCreate(request);
  EXPECT_EQ(again.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonIn(again), "JOB_DELETED");
}

TEST_F(UpdateAndDeleteTest, FinishesTheFileThatIsBeingRead) {
  server_.SetScript({{{"pivot", {{"files", {{"config.json", "{}"}, {"large", kLargeBytes}}}}}}, {{"send", "Done"}}});
  server_.Start();
  const v1::Job job = server_.AwaitEnd(server_.Create(server_.CompressRequest()).name());
  ASSERT_EQ(job.state(), v1::STATE_SUCCEEDED);
  v1::ReadFileRequest request;
  request.set_checkpoint(job.checkpoints(0).name());
  request.set_path("large");
  grpc::ClientContext context;
  const auto reader = server_.checkpoints().ReadFile(&context, request);
  v1::ReadFileResponse response;
  ASSERT_TRUE(reader->Read(&response));
  size_t bytes = response.data().size();
  ASSERT_TRUE(Delete(job.name()).ok());
  ASSERT_TRUE(Eventually([&] { return IsEmptyFolder("objects"); }));
  while (reader->Read(&response)) bytes += response.data().size();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(bytes, kLargeBytes);
  EXPECT_EQ(response.tail().total_size(), static_cast<int64_t>(kLargeBytes));
}

TEST_F(UpdateAndDeleteTest, TellsTheWatcherOfASuspendedJobThatItIsGone) {
  server_.SetScript({{{"await_file", server_.Gate("never")}}});
  server_.Start();
  server_.AwaitState(server_.Create(server_.CompressRequest()).name(), v1::STATE_RUNNING);
  const std::string name = server_.Create(server_.CompressRequest()).name();
  v1::SuspendJobRequest suspend;
  suspend.set_name(name);
  grpc::ClientContext suspend_context;
  ASSERT_TRUE(server_.jobs().SuspendJob(&suspend_context, suspend, &job_).ok());
  v1::WatchJobRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  const auto reader = server_.jobs().WatchJob(&context, request);
  v1::JobEvent event;
  for (uint64_t seq = 1; seq <= job_.last_seq(); ++seq) ASSERT_TRUE(reader->Read(&event));
  ASSERT_TRUE(Delete(name).ok());
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(ReasonIn(reader->Finish()), "JOB_NOT_FOUND");
}

TEST_F(UpdateAndDeleteTest, TidiesUpAfterASuspendedTaskThatIsCancelled) {
  server_.SetScript({{{"write", "notes"}, {"text", "x"}}, {{"wait", "Cancel"}}, {{"exit", 10}}});
  server_.Start();
  v1::CreateJobRequest request;
  request.set_parent(kProject);
  request.mutable_job()->mutable_spec()->mutable_generate()->mutable_source()->set_path(server_.model());
  request.mutable_job()->mutable_spec()->mutable_generate()->set_prompt("x");
  const std::string name = server_.Create(request).name();
  server_.AwaitWorker(name);
  v1::SuspendJobRequest suspend;
  suspend.set_name(name);
  grpc::ClientContext context;
  ASSERT_TRUE(server_.jobs().SuspendJob(&context, suspend, &job_).ok());
  server_.AwaitState(name, v1::STATE_SUSPENDED);
  EXPECT_FALSE(IsEmptyFolder("staging"));
  EXPECT_EQ(server_.Cancel(name).state(), v1::STATE_CANCELLED);
  EXPECT_TRUE(Eventually([&] { return IsEmptyFolder("staging"); }));
}

}  // namespace
}  // namespace pivot
