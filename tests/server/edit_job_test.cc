// SPDX-License-Identifier: Apache-2.0
// What every store must do when jobs are updated and deleted.
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/store/open_database.h"
#include "tests/server/store_fixture.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kRequestId[] = "6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11";

class EditJobTest : public StoreTest {
 protected:
  v1::Job Read(const std::string& uid) { return store_->ReadJob(uid).value_or(JobRecord{}).job; }

  NewJob JobOfARequest() {
    NewJob job = SomeJob("asked");
    job.request_id = kRequestId;
    job.content_sha256 = "a";
    return job;
  }

  std::string CancelledJob(const NewJob& job) {
    const std::string uid = Create(job);
    EXPECT_OK(store_->SteerJob(uid, Steer::kCancel));
    return uid;
  }

  int64_t Count(const std::string& table) {
    auto database = OpenDatabase(folder_ / "pivot.db");
    EXPECT_OK(database);
    Statement row = (*database)->Query("SELECT count(*) FROM " + table);
    EXPECT_TRUE(row.Step().value_or(false));
    return row.Integer(0);
  }
};

TEST_F(EditJobTest, TellsTheProjectOfADeletionForAWeek) {
  const std::string kept = Create(SomeJob("kept"));
  const std::string gone = CancelledJob(SomeJob("gone"));
  const uint64_t last = store_->ReadProjectSeq("p").value();
  ASSERT_OK(store_->DeleteJob(gone, ""));
  ASSERT_FALSE(told_.empty());
  EXPECT_TRUE(told_.back().has_job_deleted());
  EXPECT_EQ(told_.back().project_seq(), last + 1);
  Create(SomeJob("next"));
  const auto deletion = store_->ReadProjectEvent("p", 1).value();
  ASSERT_TRUE(deletion.has_value());
  EXPECT_EQ(deletion->DebugString(), told_.at(told_.size() - 2).DebugString());
  const auto next = store_->ReadProjectEvent("p", last + 1).value();
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->job(), "projects/p/jobs/next");
  ahead_ = absl::Hours(7 * 24 + 1);
  const std::string other = CancelledJob(SomeJob("other"));
  ASSERT_OK(store_->DeleteJob(other, ""));
  EXPECT_EQ(Count("deletion"), 1);
}

TEST_F(EditJobTest, MovesAQueuedJob) {
  const std::string first = Create(SomeJob());
  const std::string second = Create(SomeJob());
  EXPECT_EQ(Read(second).priority(), 50);
  ASSERT_OK(store_->UpdateJob(second, "", {.priority = 51}));
  EXPECT_EQ(store_->ReadQueue().value().at(0).uid, second);
  EXPECT_EQ(Read(second).priority(), 51);
  EXPECT_EQ(Read(second).spec().priority(), 0) << "the spec stays";
  EXPECT_EQ(Read(first).priority(), 50);
}

TEST_F(EditJobTest, ReplacesLabels) {
  NewJob job = SomeJob();
  job.labels = {{"a", "1"}, {"b", "2"}};
  const std::string uid = Create(job);
  EXPECT_THAT(Read(uid).labels(), UnorderedElementsAre(Pair("a", "1"), Pair("b", "2")));
  ASSERT_OK(store_->UpdateJob(uid, "", {.priority = 7}));
  EXPECT_THAT(Read(uid).labels(), SizeIs(2)) << "nobody asked";
  ASSERT_OK(store_->UpdateJob(uid, "", {.labels = {{{"b", "3"}}}}));
  EXPECT_THAT(Read(uid).labels(), ElementsAre(Pair("b", "3")));
  EXPECT_EQ(Read(uid).priority(), 7);
  ASSERT_OK(store_->UpdateJob(uid, "", {.labels = std::map<std::string, std::string>{}}));
  EXPECT_THAT(Read(uid).labels(), IsEmpty());
}

TEST_F(EditJobTest, ChangesTheEtagWithStatePriorityAndLabelsOnly) {
  const std::string uid = Create(SomeJob());
  const std::string created = Read(uid).etag();
  EXPECT_NE(created, "");
  ASSERT_OK(store_->UpdateJob(uid, created, {.priority = 7}));
  const std::string updated = Read(uid).etag();
  EXPECT_NE(updated, created);
  const AttemptKey key = Claim(uid);
  const std::string claimed = Read(uid).etag();
  EXPECT_NE(claimed, updated);
  ASSERT_OK(store_->AppendEvent(key, SomeEvent()));
  EXPECT_EQ(Read(uid).etag(), claimed);
}

TEST_F(EditJobTest, RefusesAnOldEtag) {
  const std::string uid = Create(SomeJob());
  const std::string old = Read(uid).etag();
  ASSERT_OK(store_->UpdateJob(uid, old, {.priority = 7}));
  const absl::Status again = store_->UpdateJob(uid, old, {.priority = 8});
  EXPECT_TRUE(absl::IsAborted(again));
  EXPECT_EQ(ReasonOf(again), "ETAG_MISMATCH");
  EXPECT_EQ(Read(uid).priority(), 7);
  ASSERT_OK(store_->SteerJob(uid, Steer::kCancel));
  EXPECT_EQ(ReasonOf(store_->DeleteJob(uid, old).status()), "ETAG_MISMATCH");
  EXPECT_OK(store_->DeleteJob(uid, Read(uid).etag()));
}

TEST_F(EditJobTest, UpdatesNothingThatHasEnded) {
  const std::string uid = CancelledJob(SomeJob());
  EXPECT_EQ(ReasonOf(store_->UpdateJob(uid, "", {.priority = 7})), "ILLEGAL_STATE");
  EXPECT_EQ(Read(uid).priority(), 50);
}

TEST_F(EditJobTest, DeletesNothingThatGoesOn) {
  const std::string uid = Create(SomeJob());
  EXPECT_EQ(ReasonOf(store_->DeleteJob(uid, "").status()), "ILLEGAL_STATE");
  Claim(uid);
  EXPECT_EQ(ReasonOf(store_->DeleteJob(uid, "").status()), "ILLEGAL_STATE");
  ASSERT_OK(store_->SteerJob(uid, Steer::kSuspend));
  EXPECT_EQ(ReasonOf(store_->DeleteJob(uid, "").status()), "ILLEGAL_STATE");
  EXPECT_EQ(StateOf(uid), v1::STATE_SUSPENDING);
}

TEST_F(EditJobTest, DeletesEveryRowAndTellsWhatLiesOnDisk) {
  NewJob job = JobOfARequest();
  job.labels = {{"a", "1"}};
  const std::string uid = Create(job);
  const std::string other = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  ASSERT_OK(store_->AddCheckpoint(key, {.object = "object-1"}));
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED}));
  ASSERT_OK_AND_ASSIGN(const DeletedJob deleted, store_->DeleteJob(uid, ""));
  EXPECT_THAT(deleted.objects, ElementsAre("object-1"));
  EXPECT_EQ(deleted.staging_uid, uid);
  EXPECT_TRUE(absl::IsNotFound(store_->ReadJob(uid).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->FindJob("p", "asked").status()));
  EXPECT_TRUE(absl::IsNotFound(store_->DeleteJob(uid, "").status()));
  EXPECT_EQ(store_->ReadJob(other)->job.last_seq(), 1U);
  EXPECT_EQ(Count("attempt") + Count("checkpoint") + Count("label"), 0);
  EXPECT_EQ(Count("event"), 1) << "the other job's";
}

TEST_F(EditJobTest, DeletesASuspendedJob) {
  const std::string uid = Create(SomeJob());
  ASSERT_OK(store_->SteerJob(uid, Steer::kSuspend));
  EXPECT_OK(store_->DeleteJob(uid, ""));
}

TEST_F(EditJobTest, DoesNotBringADeletedJobToLifeByItsRequest) {
  ASSERT_OK(store_->DeleteJob(CancelledJob(JobOfARequest()), ""));
  Reopen();
  NewJob again = JobOfARequest();
  EXPECT_EQ(ReasonOf(store_->CreateJob(again).status()), "JOB_DELETED");
  EXPECT_EQ(ReasonOf(store_->FindRequest(again).status()), "JOB_DELETED");
  again.content_sha256 = "b";
  EXPECT_EQ(ReasonOf(store_->FindRequest(again).status()), "REQUEST_ID_REUSED");
  EXPECT_OK(store_->CreateJob(SomeJob("asked"))) << "the name is free";
}

TEST_F(EditJobTest, ForgetsADeletedJobsRequestAfterAWeek) {
  ASSERT_OK(store_->DeleteJob(CancelledJob(JobOfARequest()), ""));
  ASSERT_OK(store_->DeleteJob(CancelledJob(SomeJob()), ""));
  EXPECT_EQ(Count("request"), 1) << "not before";
  {
    ASSERT_OK_AND_ASSIGN(const auto database, OpenDatabase(folder_ / "pivot.db"));
    ASSERT_OK(database->Run("UPDATE request SET delete_us = ?",
                            absl::ToUnixMicros(absl::Now() - absl::Hours(7 * 24) - absl::Seconds(1))));
  }
  ASSERT_OK(store_->DeleteJob(CancelledJob(SomeJob()), ""));
  EXPECT_EQ(Count("request"), 0);
  EXPECT_OK(store_->CreateJob(JobOfARequest()));
}

}  // namespace
}  // namespace pivot
