// SPDX-License-Identifier: Apache-2.0
// What every store must do.
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
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kRequestId[] = "6f1c2a58-7d1e-4b0a-9b9e-2f6f6d0c3a11";

NewJob SomeJob(const std::string& id = "", int priority = 0) {
  NewJob job{.project = "p", .id = id, .max_queued = 1000};
  job.spec.mutable_compress()->mutable_source()->set_path("/models/a");
  job.spec.set_priority(priority);
  return job;
}

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  void Reopen() {
    store_.reset();
    ASSERT_OK_AND_ASSIGN(
        store_,
        Store::Open(folder_ / "pivot.db",
                    {.committed = [this](const std::string&, const v1::JobEvent& event) { told_.push_back(event); },
                     .commit_took = nullptr}));
  }

  std::string Create(const NewJob& job) {
    const auto uid = store_->CreateJob(job);
    EXPECT_OK(uid);
    return uid.value_or("");
  }

  QueuedJob Queued(const std::string& uid) {
    for (const QueuedJob& job : store_->ReadQueue().value_or(std::vector<QueuedJob>{})) {
      if (job.uid == uid) return job;
    }
    ADD_FAILURE() << uid << " is not queued";
    return {};
  }

  AttemptKey Claim(const std::string& uid, const std::string& device = "cpu") {
    const auto key = store_->Claim(Queued(uid), device, device);
    EXPECT_OK(key);
    return key.value_or(AttemptKey{});
  }

  v1::State StateOf(const std::string& uid) { return store_->ReadJobHead(uid).value_or(JobHead{}).state; }

  std::vector<v1::JobEvent> Events(const std::string& uid) {
    std::vector<v1::JobEvent> events;
    for (uint64_t seq = 1;; ++seq) {
      auto event = store_->ReadEvent(uid, seq);
      EXPECT_OK(event);
      if (!event.ok() || !event->has_value()) return events;
      events.push_back(**event);
    }
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
  std::vector<v1::JobEvent> told_;
};

v1::JobEvent SomeEvent() {
  v1::JobEvent event;
  event.mutable_stage_started()->set_stage("layerwise");
  return event;
}

v1::Attempt EndedWith(const std::string& cause, int number = 1) {
  v1::Attempt attempt;
  attempt.set_number(number);
  attempt.set_cause(cause);
  return attempt;
}

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
  EXPECT_OK(store_->CancelJob(second));
  EXPECT_OK(store_->CreateJob(job));
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

TEST_F(StoreTest, LetsOnlyOneClaimWin) {
  const std::string uid = Create(SomeJob());
  const QueuedJob queued = Queued(uid);
  EXPECT_OK(store_->Claim(queued, "gpu0", "cuda:0"));
  EXPECT_TRUE(IsStateMovedOn(store_->Claim(queued, "gpu1", "cuda:1").status()));
  EXPECT_THAT(store_->ReadLeases().value(), SizeIs(1));
}

TEST_F(StoreTest, LeasesADeviceToOneJob) {
  const std::string first = Create(SomeJob());
  const std::string second = Create(SomeJob());
  Claim(first);
  EXPECT_TRUE(IsStateMovedOn(store_->Claim(Queued(second), "cpu", "cpu").status()));
  EXPECT_EQ(StateOf(second), v1::STATE_QUEUED);
}

TEST_F(StoreTest, GivesEveryOwnerALargerToken) {
  const std::string uid = Create(SomeJob());
  const AttemptKey first = Claim(uid);
  ASSERT_OK(store_->EndAttempt(first, v1::STATE_RUNNING, EndedWith("WORKER_CRASHED"), {.to = v1::STATE_QUEUED}));
  const AttemptKey second = Claim(uid);
  EXPECT_GT(second.token, first.token);
  EXPECT_EQ(second.number, 2);
}

TEST_F(StoreTest, RefusesEventsOfAnEarlierOwner) {
  const std::string uid = Create(SomeJob());
  const AttemptKey first = Claim(uid);
  ASSERT_OK(store_->EndAttempt(first, v1::STATE_RUNNING, EndedWith("WORKER_CRASHED"), {.to = v1::STATE_QUEUED}));
  EXPECT_TRUE(IsStateMovedOn(store_->AppendEvent(first, SomeEvent())));
  const AttemptKey second = Claim(uid);
  AttemptKey forged = second;
  forged.token = first.token;
  EXPECT_TRUE(IsStateMovedOn(store_->AppendEvent(forged, SomeEvent())));
  EXPECT_TRUE(IsStateMovedOn(store_->AddCheckpoint(forged, {.object = "x"})));
  EXPECT_EQ(store_->ReadCheckpoint(uid, 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_OK(store_->AppendEvent(second, SomeEvent()));
}

TEST_F(StoreTest, RefusesTransitionsThatAreNotInTheTable) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  const absl::Status status =
      store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_CANCELLED});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("RUNNING cannot become CANCELLED")));
  EXPECT_EQ(ReasonOf(status), "ILLEGAL_STATE");
  EXPECT_EQ(StateOf(uid), v1::STATE_RUNNING);
  EXPECT_THAT(store_->ReadLeases().value(), SizeIs(1)) << "the lease was not given back with the refusal";
}

TEST_F(StoreTest, RefusesToEndWhatMovedOn) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  ASSERT_OK(store_->CancelJob(uid));
  EXPECT_TRUE(
      IsStateMovedOn(store_->EndAttempt(key, v1::STATE_RUNNING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED})));
  EXPECT_OK(store_->EndAttempt(key, v1::STATE_CANCELLING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED}));
  EXPECT_TRUE(
      IsStateMovedOn(store_->EndAttempt(key, v1::STATE_CANCELLING, EndedWith("DONE"), {.to = v1::STATE_SUCCEEDED})));
}

TEST_F(StoreTest, CancelsAccordingToTheState) {
  const std::string queued = Create(SomeJob());
  EXPECT_EQ(store_->CancelJob(queued).value(), v1::STATE_CANCELLED);
  EXPECT_EQ(store_->CancelJob(queued).value(), v1::STATE_CANCELLED);
  EXPECT_THAT(Events(queued), SizeIs(2)) << "the second cancel left no trace";
  const std::string running = Create(SomeJob());
  const AttemptKey key = Claim(running);
  EXPECT_EQ(store_->CancelJob(running).value(), v1::STATE_CANCELLING);
  ASSERT_OK(store_->EndAttempt(key, v1::STATE_CANCELLING, EndedWith("CANCELLED"), {.to = v1::STATE_CANCELLED}));
  EXPECT_EQ(store_->CancelJob(running).value(), v1::STATE_CANCELLED);
}

TEST_F(StoreTest, ShowsErrorResultAndAttempts) {
  const std::string uid = Create(SomeJob());
  StateChange failed{.to = v1::STATE_FAILED, .reason = "NUMERICAL_FAILURE"};
  failed.error.emplace().set_message("no");
  v1::Attempt attempt = EndedWith("NUMERICAL_FAILURE");
  attempt.set_log_tail("the end");
  ASSERT_OK(store_->EndAttempt(Claim(uid), v1::STATE_RUNNING, attempt, failed));
  ASSERT_OK_AND_ASSIGN(const JobRecord record, store_->ReadJob(uid));
  EXPECT_EQ(record.job.error().message(), "no");
  EXPECT_EQ(record.job.state_reason(), "NUMERICAL_FAILURE");
  ASSERT_THAT(record.job.attempts(), SizeIs(1));
  EXPECT_EQ(record.job.attempts(0).log_tail(), "the end");
  EXPECT_TRUE(record.job.attempts(0).has_end_time());
  EXPECT_TRUE(record.job.has_end_time());
  EXPECT_FALSE(record.job.has_result());
}

TEST_F(StoreTest, PublishesCheckpointAndEventTogether) {
  const std::string uid = Create(SomeJob());
  const AttemptKey key = Claim(uid);
  CheckpointRecord checkpoint{.object = "object-1"};
  checkpoint.ref.set_name("projects/p/jobs/x/checkpoints/0");
  checkpoint.ref.set_manifest_sha256("abc");
  ASSERT_OK(store_->AddCheckpoint(key, checkpoint));
  EXPECT_TRUE(Events(uid).back().has_checkpoint_published());
  EXPECT_EQ(store_->ReadCheckpoint(uid, 0)->object, "object-1");
  EXPECT_THAT(store_->ReadJob(uid)->job.checkpoints(), SizeIs(1));
  EXPECT_THAT(store_->ReadObjects().value(), ElementsAre("object-1"));
  EXPECT_FALSE(store_->AddCheckpoint(key, checkpoint).ok()) << "the number is taken";
  EXPECT_THAT(Events(uid), SizeIs(3));
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
    ASSERT_OK_AND_ASSIGN(const JobPage page, store_->ListJobs("p", 3, token));
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
  EXPECT_EQ(store_->ListJobs("p", 2, "")->next_page_token, "");
  EXPECT_THAT(store_->ListJobs("nobody", 2, "")->jobs, IsEmpty());
}

TEST_F(StoreTest, RefusesAForeignPageToken) {
  for (const char* token : {"x", "!!!", "MTIzOmFiYw", "OmE"}) {
    EXPECT_EQ(ReasonOf(store_->ListJobs("p", 2, token).status()), "INVALID_PAGE_TOKEN") << token;
  }
}

TEST_F(StoreTest, CutsAPageOfLargeJobs) {
  NewJob job = SomeJob();
  job.spec.mutable_generate()->set_prompt(std::string(30000, 'x'));
  for (int i = 0; i < 120; ++i) Create(job);
  ASSERT_OK_AND_ASSIGN(const JobPage page, store_->ListJobs("p", 1000, ""));
  EXPECT_LT(page.jobs.size(), 120U);
  EXPECT_FALSE(page.next_page_token.empty());
  ASSERT_OK_AND_ASSIGN(const JobPage rest, store_->ListJobs("p", 1000, page.next_page_token));
  EXPECT_EQ(page.jobs.size() + rest.jobs.size(), 120U);
}

TEST_F(StoreTest, LeavesLongPartsOutOfLists) {
  NewJob job = SomeJob();
  job.plan.emplace().add_modules()->set_name("m");
  job.plan->set_total_bytes(5);
  const std::string uid = Create(job);
  ASSERT_OK_AND_ASSIGN(const JobPage page, store_->ListJobs("p", 1, ""));
  EXPECT_THAT(page.jobs[0].plan().modules(), IsEmpty());
  EXPECT_EQ(page.jobs[0].plan().total_bytes(), 5);
  EXPECT_THAT(store_->ReadJob(uid)->job.plan().modules(), SizeIs(1));
}

TEST_F(StoreTest, EndsTheAttemptsOfADeadServer) {
  const std::string running = Create(SomeJob());
  const std::string cancelling = Create(SomeJob());
  const std::string queued = Create(SomeJob());
  Claim(running, "gpu0");
  Claim(cancelling, "gpu1");
  ASSERT_OK(store_->CancelJob(cancelling));
  Reopen();
  EXPECT_EQ(store_->EndLostAttempts().value(), 2);
  EXPECT_EQ(StateOf(running), v1::STATE_QUEUED);
  EXPECT_EQ(StateOf(cancelling), v1::STATE_CANCELLED);
  EXPECT_EQ(StateOf(queued), v1::STATE_QUEUED);
  EXPECT_EQ(store_->ReadJob(running)->job.attempts(0).cause(), "SERVER_DIED");
  EXPECT_EQ(store_->ReadJob(running)->job.state_reason(), "SERVER_DIED");
  EXPECT_THAT(store_->ReadLeases().value(), IsEmpty());
  EXPECT_EQ(store_->EndLostAttempts().value(), 0);
}

TEST_F(StoreTest, RefusesASecondJobInOneStagingFolder) {
  const std::string first = Create(SomeJob());
  ASSERT_OK(store_->CancelJob(first));
  NewJob resumed = SomeJob("resumed");
  resumed.staging_uid = first;
  const std::string second = Create(resumed);
  EXPECT_EQ(store_->ReadJob(second)->staging_uid, first);
  resumed.id = "again";
  const auto third = store_->CreateJob(resumed);
  EXPECT_THAT(third, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("projects/p/jobs/resumed")));
  ASSERT_OK(store_->CancelJob(second));
  EXPECT_OK(store_->CreateJob(resumed));
}

TEST_F(StoreTest, CountsJobsByState) {
  Create(SomeJob());
  ASSERT_OK(store_->CancelJob(Create(SomeJob())));
  const QueueFigures figures = store_->ReadQueueFigures().value();
  EXPECT_EQ(figures.jobs.at(v1::STATE_QUEUED), 1);
  EXPECT_EQ(figures.jobs.at(v1::STATE_CANCELLED), 1);
  EXPECT_GT(figures.oldest_queued, absl::ZeroDuration());
}

TEST(TransitionTest, LeavesTerminalStatesAsTheyAre) {
  for (int from = v1::State_MIN; from <= v1::State_MAX; ++from) {
    int successors = 0;
    for (int to = v1::State_MIN; to <= v1::State_MAX; ++to) {
      successors += MayFollow(static_cast<v1::State>(from), static_cast<v1::State>(to)) ? 1 : 0;
    }
    EXPECT_EQ(successors == 0, IsTerminal(static_cast<v1::State>(from)))
        << v1::State_Name(static_cast<v1::State>(from));
  }
}

}  // namespace
}  // namespace pivot
