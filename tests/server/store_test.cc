// SPDX-License-Identifier: Apache-2.0
// What every store must do: jobs, events, pages.
#include "server/store/store.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/errors.h"
#include "server/store/transition.h"
#include "tests/server/store_fixture.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kRequestId[] = "6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11";

TEST_F(StoreTest, KeepsAJobAcrossReopening) {
  NewJob job = SomeJob("first", 70);
  job.plan.emplace().set_total_bytes(1234);
  const std::string uid = Create(job);
  Reopen();
  ASSERT_OK_AND_ASSIGN(const std::string found, store_->FindJob("p", "first"));
  EXPECT_EQ(found, uid);
  ASSERT_OK_AND_ASSIGN(const JobRecord record, store_->ReadJob(uid));
  EXPECT_EQ(record.job.name(), "projects/p/jobs/first");
  EXPECT_EQ(record.job.state(), v1::STATE_QUEUED);
  EXPECT_EQ(record.job.spec().priority(), 70);
  EXPECT_EQ(record.job.plan().total_bytes(), 1234);
  EXPECT_EQ(record.job.last_seq(), 1U);
  EXPECT_EQ(record.staging_uid, uid);
  EXPECT_TRUE(record.job.has_create_time());
  EXPECT_FALSE(record.job.has_start_time());
  EXPECT_FALSE(record.job.has_end_time());
}

TEST_F(StoreTest, ChoosesAnIdWhenNoneIsGiven) {
  ASSERT_OK_AND_ASSIGN(const JobRecord record, store_->ReadJob(Create(SomeJob())));
  EXPECT_THAT(record.job.name(), ::testing::MatchesRegex("projects/p/jobs/job-[0-9a-z]{10}"));
}

TEST_F(StoreTest, RefusesAnIdThatIsTaken) {
  Create(SomeJob("one"));
  const auto again = store_->CreateJob(SomeJob("one"));
  EXPECT_THAT(again, StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("projects/p/jobs/one")));
  EXPECT_EQ(ReasonOf(again.status()), "JOB_EXISTS");
  NewJob elsewhere = SomeJob("one");
  elsewhere.project = "q";
  EXPECT_OK(store_->CreateJob(elsewhere));
}

TEST_F(StoreTest, GivesARepeatedRequestTheSameJob) {
  NewJob job = SomeJob();
  job.request_id = kRequestId;
  job.content_sha256 = "a";
  const std::string uid = Create(job);
  EXPECT_EQ(Create(job), uid);
  EXPECT_THAT(store_->ReadQueue().value(), SizeIs(1));
  EXPECT_EQ(store_->FindRequest(job).value(), uid);
  job.content_sha256 = "b";
  EXPECT_EQ(ReasonOf(store_->CreateJob(job).status()), "REQUEST_ID_REUSED");
  EXPECT_EQ(ReasonOf(store_->FindRequest(job).status()), "REQUEST_ID_REUSED");
}

TEST_F(StoreTest, GivesRacingRequestsOfOneIdOneJob) {
  NewJob job = SomeJob();
  job.request_id = kRequestId;
  job.content_sha256 = "a";
  std::vector<std::string> uids(8);
  std::vector<std::thread> threads;
  for (std::string& uid : uids) threads.emplace_back([&] { uid = store_->CreateJob(job).value_or("failed"); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(uids, ::testing::Each(uids[0]));
}

TEST_F(StoreTest, RefusesMoreThanTheQueueHolds) {
  NewJob job = SomeJob();
  job.max_queued = 2;
  Create(job);
  const std::string second = Create(job);
  const auto third = store_->CreateJob(job);
  EXPECT_EQ(ReasonOf(third.status()), "QUEUE_FULL");
  EXPECT_GT(RetryDelayOf(third.status()), absl::ZeroDuration());
  EXPECT_OK(store_->SteerJob(second, Steer::kCancel));
  EXPECT_OK(store_->CreateJob(job));
}

TEST_F(StoreTest, RefusesMoreThanAProjectMayQueue) {
  NewJob job = SomeJob();
  job.max_queued_of_project = 1;
  const std::string first = Create(job);
  const auto second = store_->CreateJob(job);
  EXPECT_EQ(ReasonOf(second.status()), "QUOTA_EXCEEDED");
  EXPECT_GT(RetryDelayOf(second.status()), absl::ZeroDuration());
  NewJob other = SomeJob();
  other.project = "other";
  other.max_queued_of_project = 1;
  EXPECT_OK(store_->CreateJob(other));
  ASSERT_OK(store_->SteerJob(first, Steer::kSuspend));
  Create(job);
  EXPECT_EQ(ReasonOf(store_->SteerJob(first, Steer::kResume, {.of_project = 1}).status()), "QUOTA_EXCEEDED");
}

TEST_F(StoreTest, RemembersWhoCreatedAJob) {
  NewJob job = SomeJob();
  job.creator = "uri:spiffe://example.org/ci";
  const std::string uid = Create(job);
  Reopen();
  EXPECT_EQ(store_->ReadJob(uid)->job.creator(), job.creator);
}

TEST_F(StoreTest, QueuesByPriorityThenAge) {
  const std::string low = Create(SomeJob("low", 10));
  const std::string first = Create(SomeJob("first"));
  const std::string second = Create(SomeJob("second"));
  const std::string high = Create(SomeJob("high", 90));
  std::vector<std::string> order;
  const std::vector<QueuedJob> queue = store_->ReadQueue().value();
  for (const QueuedJob& job : queue) order.push_back(job.uid);
  EXPECT_THAT(order, ElementsAre(high, first, second, low));
}

TEST_F(StoreTest, NumbersEventsWithoutGaps) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  for (int i = 0; i < 5; ++i) ASSERT_OK(store_->AppendEvent(key, SomeEvent()));
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED}));
  const std::vector<v1::JobEvent> events = Events(uid);
  ASSERT_THAT(events, SizeIs(9));  // created, running, five, attempt ended, succeeded
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].seq(), i + 1);
    EXPECT_EQ(events[i].job(), store_->ReadJob(uid)->job.name());
    EXPECT_EQ(events[i].attempt(), i == 0 ? 0 : 1);
  }
  EXPECT_EQ(store_->ReadJobHead(uid)->last_seq, 9U);
  EXPECT_EQ(events.back().state_changed().to(), v1::STATE_SUCCEEDED);
  EXPECT_THAT(told_, SizeIs(9));
}

TEST_F(StoreTest, NumbersEventsOfRacingWritersWithoutGaps) {
  std::vector<AttemptKey> keys;
  for (int i = 0; i < 3; ++i) keys.push_back(Claim(Create(SomeJob()), absl::StrCat("gpu", i)));
  told_.clear();
  std::vector<std::thread> threads;
  ASSERT_OK_AND_ASSIGN(store_, Store::Open(folder_ / "pivot.db"));
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 10; ++n) EXPECT_OK(store_->AppendEvent(keys[i % 3], SomeEvent()));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const AttemptKey& key : keys) EXPECT_THAT(Events(key.job_uid), SizeIs(22));
}

TEST_F(StoreTest, TellsNothingOfAWriteThatFailed) {
  Create(SomeJob("one"));
  told_.clear();
  EXPECT_FALSE(store_->CreateJob(SomeJob("one")).ok());
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(StoreTest, PagesNewestFirstWithoutLossOrRepetition) {
  std::vector<std::string> expected;
  for (int i = 0; i < 7; ++i) {
    Create(SomeJob(absl::StrCat("job-", i)));
    expected.insert(expected.begin(), absl::StrCat("projects/p/jobs/job-", i));
  }
  std::vector<std::string> names;
  std::string token;
  int pages = 0;
  do {
    ASSERT_OK_AND_ASSIGN(const JobPage page, store_->ListJobs({.project = "p", .page_size = 3, .page_token = token}));
    for (const v1::Job& job : page.jobs) names.push_back(job.name());
    token = page.next_page_token;
    ++pages;
    Create(SomeJob());  // newer than all pages to come: must not shift them
  } while (!token.empty());
  EXPECT_EQ(names, expected);
  EXPECT_EQ(pages, 3);
}

TEST_F(StoreTest, EndsWithAnEmptyTokenWhenThePageIsExactlyFull) {
  Create(SomeJob());
  Create(SomeJob());
  EXPECT_EQ(store_->ListJobs({.project = "p", .page_size = 2})->next_page_token, "");
  EXPECT_THAT(store_->ListJobs({.project = "nobody"})->jobs, IsEmpty());
}

TEST_F(StoreTest, RefusesAForeignPageToken) {
  for (const char* token : {"x", "!!!", "MTIzOmFiYw", "OmE"}) {
    EXPECT_EQ(ReasonOf(store_->ListJobs({.project = "p", .page_token = token}).status()), "INVALID_PAGE_TOKEN")
        << token;
  }
}

TEST_F(StoreTest, CutsAPageOfLargeJobs) {
  NewJob job = SomeJob();
  job.spec.mutable_generate()->set_prompt(std::string(30000, 'x'));
  for (int i = 0; i < 120; ++i) Create(job);
  ASSERT_OK_AND_ASSIGN(const JobPage page, store_->ListJobs({.project = "p", .page_size = 1000}));
  EXPECT_LT(page.jobs.size(), 120U);
  EXPECT_FALSE(page.next_page_token.empty());
  ASSERT_OK_AND_ASSIGN(const JobPage rest,
                       store_->ListJobs({.project = "p", .page_size = 1000, .page_token = page.next_page_token}));
  EXPECT_EQ(page.jobs.size() + rest.jobs.size(), 120U);
}

TEST_F(StoreTest, LeavesLongPartsOutOfLists) {
  NewJob job = SomeJob();
  job.plan.emplace().add_modules()->set_name("m");
  job.plan->set_total_bytes(5);
  const std::string uid = Create(job);
  ASSERT_OK_AND_ASSIGN(const JobPage page, store_->ListJobs({.project = "p"}));
  EXPECT_THAT(page.jobs[0].plan().modules(), IsEmpty());
  EXPECT_EQ(page.jobs[0].plan().total_bytes(), 5);
  EXPECT_THAT(store_->ReadJob(uid)->job.plan().modules(), SizeIs(1));
}

TEST_F(StoreTest, CountsJobsByState) {
  Create(SomeJob());
  ASSERT_OK(store_->SteerJob(Create(SomeJob()), Steer::kCancel));
  const QueueFigures figures = store_->ReadQueueFigures().value();
  EXPECT_EQ(figures.jobs.at(v1::STATE_QUEUED), 1);
  EXPECT_EQ(figures.jobs.at(v1::STATE_CANCELLED), 1);
  EXPECT_GT(figures.oldest_queued, absl::ZeroDuration());
}
}  // namespace
}  // namespace pivot
