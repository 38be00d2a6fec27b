// SPDX-License-Identifier: Apache-2.0
// Labels, filters, and the commands that update and delete.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "client/commands/labels.h"
#include "tests/client/server_commands_fixture.h"
#include "tests/support/status_matchers.h"

namespace pivot::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST_F(ServerCommandsTest, SubmitSendsLabelsAndPriority) {
  EXPECT_EQ(RunThere({"submit", "--label", "team=vision", model_, "--label", "note=a=b c", "--priority", "90"}),
            ExitCode::kDone)
      << err_;
  EXPECT_THAT(requests_.at(0).job().labels(), UnorderedElementsAre(Pair("team", "vision"), Pair("note", "a=b c")));
  EXPECT_EQ(requests_.at(0).job().spec().priority(), 90);
  EXPECT_EQ(RunThere({"get", "job-1"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("label team  vision"));
}

TEST_F(ServerCommandsTest, SubmitRefusesLabelsThatAreNone) {
  EXPECT_EQ(RunThere({"submit", model_, "--label", "team"}), ExitCode::kUsage);
  EXPECT_EQ(err_, "pivot: --label is \"team\"; allowed: KEY=VALUE\n");
  EXPECT_EQ(RunThere({"submit", model_, "--label", "Team=x"}), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"submit", model_, "--label", "a=1", "--label", "a=2"}), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"submit", model_, "--priority", "0"}), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"submit", model_, "--priority", "101"}), ExitCode::kUsage);
  EXPECT_THAT(requests_, ::testing::IsEmpty());
}

TEST_F(ServerCommandsTest, SubmitSendsTheRunTimeout) {
  EXPECT_EQ(RunThere({"submit", model_, "--run-timeout", "1h0.5s"}), ExitCode::kDone) << err_;
  EXPECT_EQ(requests_.at(0).job().spec().run_timeout().seconds(), 3600);
  EXPECT_EQ(requests_.at(0).job().spec().run_timeout().nanos(), 500'000'000);
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_FALSE(requests_.at(1).job().spec().has_run_timeout());
  for (const char* time : {"5", "0s", "-1h", "inf", "8761h", "soon"}) {
    EXPECT_EQ(RunThere({"submit", model_, "--run-timeout", time}), ExitCode::kUsage) << time;
    EXPECT_THAT(err_, HasSubstr("allowed: a time above 0 up to 8760h"));
  }
}

TEST_F(ServerCommandsTest, SubmitSendsHowLongAJobMayWaitAndIsKept) {
  EXPECT_EQ(RunThere({"submit", model_, "--queue-timeout", "90m", "--ttl", "48h"}), ExitCode::kDone) << err_;
  EXPECT_EQ(requests_.at(0).job().spec().queue_timeout().seconds(), 5400);
  EXPECT_EQ(requests_.at(0).job().spec().ttl().seconds(), 172'800);
  EXPECT_FALSE(requests_.at(0).job().spec().has_run_timeout());
  EXPECT_EQ(RunThere({"submit", model_, "--queue-timeout", "none"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--queue-timeout is \"none\"; allowed: a time above 0"));
  EXPECT_EQ(RunThere({"submit", model_, "--ttl", "8761h"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--ttl is \"8761h\""));
  jobs_[kFirstJob].mutable_expire_time()->set_seconds(1'785'067'200);
  EXPECT_EQ(RunThere({"get", "job-1"}), ExitCode::kDone);
  EXPECT_THAT(out_, HasSubstr("kept until  2026-07-26 12:00:00 UTC"));
}

TEST_F(ServerCommandsTest, UpdateSetsAndTakesAwayTimeLimits) {
  std::vector<v1::UpdateJobRequest> updates;
  on_update_ = [&](const v1::UpdateJobRequest& request, v1::Job* job) {
    updates.push_back(request);
    job->set_name(request.job().name());
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunThere({"update", "job-1", "--queue-timeout", "1h", "--ttl", "none"}), ExitCode::kDone) << err_;
  ASSERT_EQ(updates.size(), 1U);
  EXPECT_EQ(updates[0].job().queue_timeout().seconds(), 3600);
  EXPECT_FALSE(updates[0].job().has_ttl());
  EXPECT_THAT(updates[0].update_mask().paths(), ElementsAre("queue_timeout", "ttl"));
  EXPECT_EQ(RunThere({"update", "job-1", "--ttl", "0s"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--ttl is \"0s\""));
  EXPECT_EQ(updates.size(), 1U);
}

TEST_F(ServerCommandsTest, LsAsksForWhatTheFlagsSay) {
  EXPECT_EQ(RunThere({"ls", "--filter", "priority > 5", "--state", "queued", "--state", "Running", "--label", "a",
                      "--label", "b=x \"y\" \\", "--order", "priority desc"}),
            ExitCode::kDone)
      << err_;
  EXPECT_EQ(listings_.at(0).filter(),
            R"(priority > 5 AND state = QUEUED OR state = RUNNING AND labels:a AND labels.b = "x \"y\" \\")");
  EXPECT_EQ(listings_.at(0).order_by(), "priority desc");
  EXPECT_EQ(RunThere({"ls"}), ExitCode::kDone);
  EXPECT_EQ(listings_.at(1).filter(), "");
  EXPECT_EQ(RunThere({"ls", "--state", "asleep"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("--state is \"asleep\"; allowed: queued, running, cancelling, succeeded, failed, "
                              "cancelled, suspending, suspended"));
  EXPECT_EQ(RunThere({"ls", "--label", "no key=x"}), ExitCode::kUsage);
  EXPECT_EQ(listings_.size(), 2U);
}

TEST_F(ServerCommandsTest, RmTellsWhatIsGone) {
  EXPECT_EQ(RunThere({"submit", model_}), ExitCode::kDone);
  EXPECT_EQ(RunThere({"rm", "job-1"}), ExitCode::kDone);
  EXPECT_EQ(out_, std::string(kFirstJob) + " deleted\n");
  EXPECT_EQ(RunThere({"rm", "job-1", "other", "--json"}), ExitCode::kFailed);
  EXPECT_EQ(Lines()[0]["name"], kFirstJob);
  EXPECT_EQ(Lines()[0]["deleted"], true);
  EXPECT_EQ(err_, "pivot: there is no job projects/default/jobs/other\n");
  EXPECT_EQ(RunThere({"rm"}), ExitCode::kUsage);
}

TEST_F(ServerCommandsTest, UpdateKeepsLabelsThatItDoesNotName) {
  EXPECT_EQ(RunThere({"submit", model_, "--label", "a=1", "--label", "b=2", "--label", "c=3"}), ExitCode::kDone);
  jobs_[kFirstJob].set_etag("first");
  std::vector<v1::UpdateJobRequest> updates;
  on_update_ = [&](const v1::UpdateJobRequest& request, v1::Job* job) {
    updates.push_back(request);
    const std::lock_guard lock(mutex_);
    if (updates.size() == 1) {
      // Somebody else was faster.
      (*jobs_[kFirstJob].mutable_labels())["d"] = "4";
      jobs_[kFirstJob].set_etag("second");
      return StatusWithReason(grpc::StatusCode::ABORTED, "ETAG_MISMATCH");
    }
    *job = jobs_[kFirstJob];
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunThere({"update", "job-1", "--label", "b=two", "--remove-label", "c", "--priority", "9"}),
            ExitCode::kDone)
      << err_;
  EXPECT_EQ(out_, std::string(kFirstJob) + " queued\n");
  ASSERT_EQ(updates.size(), 2U);
  EXPECT_EQ(updates[0].job().etag(), "first");
  EXPECT_EQ(updates[1].job().etag(), "second");
  EXPECT_THAT(updates[1].job().labels(), UnorderedElementsAre(Pair("a", "1"), Pair("b", "two"), Pair("d", "4")));
  EXPECT_EQ(updates[1].job().priority(), 9);
  EXPECT_THAT(updates[1].update_mask().paths(), ElementsAre("priority", "labels"));
}

TEST_F(ServerCommandsTest, UpdateNeedsSomethingToUpdate) {
  EXPECT_EQ(RunThere({"update", "job-1"}), ExitCode::kUsage);
  EXPECT_EQ(err_, "pivot: nothing to update: give --priority, --label, --remove-label, --queue-timeout or --ttl\n");
  EXPECT_EQ(RunThere({"update", "job-1", "--priority", "x"}), ExitCode::kUsage);
  EXPECT_EQ(RunThere({"update", "job-1", "--remove-label", "A"}), ExitCode::kUsage);
}

TEST(FilterOfTest, LeavesABlankFilterOut) {
  EXPECT_EQ(FilterOf({.filter = "  ", .states = {"failed"}}).value(), "state = FAILED");
  EXPECT_EQ(FilterOf({}).value(), "");
}

}  // namespace
}  // namespace pivot::client
