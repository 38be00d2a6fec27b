// SPDX-License-Identifier: Apache-2.0
// The other commands that speak to a server.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/jobs.h"
#include "tests/client/server_commands_fixture.h"

namespace pivot::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(ServerCommandsTest, SubmitPrintsTheNameAndWaitsOnlyWhenAsked) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(out_, std::string(kFirstJob) + "\n");
  EXPECT_EQ(jobs_[kFirstJob].state(), v1::STATE_QUEUED);
  ends_as_ = v1::STATE_FAILED;
  EXPECT_EQ(RunThere({"submit", model_, "--wait"}), ExitCode::kFailed);
  EXPECT_EQ(jobs_.size(), 2U);
}

TEST_F(ServerCommandsTest, WatchLeavesTheJobAloneOnCtrlC) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  while_running_ = [this] {
    interrupt_.request_stop();
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunThere({"watch", "job-1"}), ExitCode::kInterrupted);
  EXPECT_THAT(cancelled_, IsEmpty());
  EXPECT_THAT(err_, HasSubstr("the job goes on"));
}

TEST_F(ServerCommandsTest, LooksAtJobs) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"ls"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("job-1  queued  compress 4 bit"));
  EXPECT_EQ(RunThere({"get", "job-1", "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["state"], "queued");
  EXPECT_EQ(RunThere({"watch", "job-1"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("succeeded"));
  EXPECT_EQ(RunThere({"cancel", kFirstJob}), ExitCode::kDone);
  EXPECT_EQ(out_, std::string(kFirstJob) + " cancelling\n");
  EXPECT_EQ(RunThere({"get", "other"}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("there is no job projects/default/jobs/other"));
}

TEST_F(ServerCommandsTest, SteersJobs) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"suspend", "job-1"}), ExitCode::kDone);
  EXPECT_EQ(out_, std::string(kFirstJob) + " suspending\n");
  EXPECT_EQ(RunThere({"resume", "job-1"}), ExitCode::kDone);
  EXPECT_EQ(out_, std::string(kFirstJob) + " queued\n");
  EXPECT_EQ(RunThere({"retry", "job-1", "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["state"], "queued");
}

TEST_F(ServerCommandsTest, SteersTheOtherJobsWhenOneCannotBe) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"suspend", "one", "job-1", "two"}), ExitCode::kFailed);
  EXPECT_EQ(out_, std::string(kFirstJob) + " suspending\n");
  EXPECT_EQ(err_,
            "pivot: there is no job projects/default/jobs/one\npivot: there is no job projects/default/jobs/two\n");
  EXPECT_EQ(RunThere({"resume", "job-1", "No/Job"}), ExitCode::kUsage);
  EXPECT_EQ(jobs_[kFirstJob].state(), v1::STATE_SUSPENDING) << "a name that cannot be one stops all of them";
  EXPECT_EQ(RunThere({"retry"}), ExitCode::kUsage);
}

TEST_F(ServerCommandsTest, PullsTheNewestOrANumberedPivot) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"pull", "job-1", output_}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("has published nothing yet"));
  EXPECT_EQ(RunThere({"watch", "job-1"}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"pull", "job-1:3", output_}), ExitCode::kFailed);
  EXPECT_THAT(err_, HasSubstr("has no pivot 3"));
  EXPECT_EQ(RunThere({"pull", "job-1:0", output_, "--json"}), ExitCode::kDone) << err_;
  EXPECT_EQ(Lines().back()["fetched_bytes"], 2502);
  EXPECT_TRUE(Exists("out/pivot/manifest.json"));
  EXPECT_EQ(RunThere({"pull", "job-1", output_, "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines().back()["kept_bytes"], 2502);
}

TEST_F(ServerCommandsTest, EvaluatesAndGenerates) {
  EXPECT_EQ(RunThere({"eval", model_, "--reference", model_, "--json"}), ExitCode::kDone);
  ASSERT_EQ(Lines().size(), 1U);
  EXPECT_EQ(Lines()[0]["perplexity"], 24.5);
  EXPECT_EQ(requests_.back().job().spec().evaluate().reference().path(), model_);
  EXPECT_EQ(RunThere({"generate", model_, "--prompt", "Once", "--max-tokens", "3"}), ExitCode::kDone);
  EXPECT_EQ(out_, "and so on\n");
  EXPECT_EQ(requests_.back().job().spec().generate().max_tokens(), 3);
}

TEST_F(ServerCommandsTest, FetchesLogits) {
  checkpoint_.files["logits.safetensors"] = SomeBytes(3333, 5);
  const std::string logits = folder_ / "logits.out";
  EXPECT_EQ(RunThere({"eval", model_, "--tokens", folder_.Write("tokens", "t"), "--logits", logits}), ExitCode::kDone)
      << err_;
  EXPECT_EQ(std::filesystem::file_size(logits), 3333U);
}

TEST_F(ServerCommandsTest, ReadsTheServerFromTheEnvironment) {
  setenv("PIVOT_SERVER", service_->address().c_str(), 1);
  EXPECT_EQ(Run({"capabilities", "--json"}), ExitCode::kDone);
  EXPECT_EQ(Lines()[0]["version"], "9.9");
  EXPECT_EQ(Run({"devices"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("cpu"));
}

TEST_F(ServerCommandsTest, SaysThatTheServerIsAway) {
  service_->Stop();
  EXPECT_EQ(RunThere({"ls"}), ExitCode::kUnreachable);
  EXPECT_THAT(err_, HasSubstr("does not answer"));
  service_->Start();
}

TEST_F(ServerCommandsTest, ConvertDeliversAFolder) {
  EXPECT_EQ(RunThere({"convert", model_, "--format", "gptq_v2", "-o", output_, "--shard-size", "5GiB"}),
            ExitCode::kDone)
      << err_;
  EXPECT_TRUE(Exists("out/config.json"));
  EXPECT_FALSE(Exists(".out.pivot"));
  EXPECT_THAT(out_, HasSubstr(output_ + ": gptq_v2, 2.50 kB\n"));
  const v1::ConvertTask& task = requests_.at(0).job().spec().convert();
  EXPECT_EQ(task.format(), v1::FORMAT_GPTQ_V2);
  EXPECT_EQ(task.shard_bytes(), int64_t{5} << 30);
}

}  // namespace
}  // namespace pivot::client
