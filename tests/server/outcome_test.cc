// SPDX-License-Identifier: Apache-2.0
#include "server/worker/outcome.h"

#include <csignal>
#include <string>
#include <tuple>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;
using Next = Outcome::Next;

AttemptFacts Exited(int code) { return {.end = {.exit_code = code}}; }

WorkerError SomeError(bool retryable) {
  return {WithReason(absl::InvalidArgumentError("layer 3 is odd"), "ODD_LAYER"), retryable};
}

struct ExitCase {
  int code;
  const char* cause;
  Next next;
};

class ExitCodeTest : public ::testing::TestWithParam<ExitCase> {};

TEST_P(ExitCodeTest, IsJudgedAsTheProtocolSays) {
  const Outcome outcome = Judge(Exited(GetParam().code));
  EXPECT_EQ(outcome.cause, GetParam().cause);
  EXPECT_EQ(outcome.next, GetParam().next);
  EXPECT_FALSE(outcome.error.ok());
}

INSTANTIATE_TEST_SUITE_P(
    All, ExitCodeTest,
    ::testing::Values(ExitCase{0, "WORKER_CRASHED", Next::kRetry},  // without Done
                      ExitCase{1, "WORKER_CRASHED", Next::kRetry},
                      ExitCase{10, "WORKER_CRASHED", Next::kRetry},  // nobody asked
                      ExitCase{20, "INVALID_INPUT", Next::kFail}, ExitCase{21, "NUMERICAL_FAILURE", Next::kFail},
                      ExitCase{30, "GPU_OUT_OF_MEMORY", Next::kFail}, ExitCase{31, "HOST_OUT_OF_MEMORY", Next::kFail},
                      ExitCase{32, "DEVICE_FAULT", Next::kRetry}, ExitCase{33, "INPUT_OUTPUT_FAILED", Next::kFail},
                      ExitCase{127, "WORKER_CRASHED", Next::kRetry}),
    [](const auto& parameter) { return "exit_" + std::to_string(parameter.param.code); });

TEST(OutcomeTest, QueuesWhatWasPreemptedAgain) {
  AttemptFacts facts = Exited(10);
  facts.preempted = true;
  const Outcome outcome = Judge(facts);
  EXPECT_EQ(outcome.cause, "PREEMPTED");
  EXPECT_EQ(NextState(outcome, v1::STATE_RUNNING, 2).to, v1::STATE_QUEUED);
  EXPECT_EQ(NextState(outcome, v1::STATE_CANCELLING, 2).to, v1::STATE_CANCELLED);
  facts.cancel_asked = true;
  EXPECT_EQ(Judge(facts).cause, "CANCELLED");
  facts = Exited(0);
  facts.preempted = true;
  facts.done = true;
  EXPECT_EQ(Judge(facts).next, Next::kSucceed) << "it was faster";
}

TEST(OutcomeTest, TriesWithLessOnTheGpuOnceWhereThereIsLess) {
  v1::Plan plan;
  v1::Attempt attempt;
  EXPECT_EQ(AfterGpuOutOfMemory(plan, attempt), OnGpuOutOfMemory::kFail);
  plan.set_peak_gpu_bytes(100);
  plan.set_least_gpu_bytes(50);
  EXPECT_EQ(AfterGpuOutOfMemory(plan, attempt), OnGpuOutOfMemory::kTryWithLess);
  attempt.set_offloads(true);
  EXPECT_EQ(AfterGpuOutOfMemory(plan, attempt), OnGpuOutOfMemory::kFail);
  const Outcome outcome = Judge(Exited(30));
  EXPECT_EQ(NextState(outcome, v1::STATE_RUNNING, 0, OnGpuOutOfMemory::kTryWithLess).to, v1::STATE_QUEUED);
  EXPECT_EQ(NextState(outcome, v1::STATE_RUNNING, 0, OnGpuOutOfMemory::kFail).to, v1::STATE_FAILED);
  EXPECT_EQ(NextState(Judge(Exited(31)), v1::STATE_RUNNING, 0, OnGpuOutOfMemory::kTryWithLess).to, v1::STATE_FAILED);
}

TEST(OutcomeTest, NamesTheSignalOfACrash) {
  const Outcome outcome = Judge({.end = {.signal = SIGSEGV}});
  EXPECT_EQ(outcome.cause, "WORKER_CRASHED");
  EXPECT_THAT(std::string(outcome.error.message()), HasSubstr("signal 11 (Segmentation fault)"));
}

TEST(OutcomeTest, TakesTheWorkersWordForTheError) {
  AttemptFacts facts = Exited(20);
  facts.error = SomeError(false);
  EXPECT_EQ(ReasonOf(Judge(facts).error), "ODD_LAYER");
  facts.end.exit_code = 1;
  EXPECT_EQ(Judge(facts).next, Next::kFail) << "it explained itself, so it did not crash";
  facts.error = SomeError(true);
  EXPECT_EQ(Judge(facts).next, Next::kRetry);
}

TEST(OutcomeTest, SucceedsOnceDoneHoweverItThenEnds) {
  AttemptFacts facts{.end = {.signal = SIGABRT}, .done = true};
  facts.stopped = true;
  EXPECT_EQ(Judge(facts).next, Next::kSucceed);
}

TEST(OutcomeTest, DoesNotBlameTheWorkerForTheServersEnd) {
  AttemptFacts facts{.end = {.signal = SIGKILL}};
  facts.stopped = true;
  const Outcome outcome = Judge(facts);
  EXPECT_EQ(outcome.cause, "SERVER_STOPPED");
  EXPECT_EQ(NextState(outcome, v1::STATE_RUNNING, kMaxCrashes + 5).to, v1::STATE_QUEUED);
  EXPECT_FALSE(IsCrash(outcome.cause));
  EXPECT_FALSE(IsCrash("SERVER_DIED"));
}

TEST(OutcomeTest, GivesUpAfterThreeCrashes) {
  const Outcome crash = Judge({.end = {.signal = SIGSEGV}});
  EXPECT_TRUE(IsCrash(crash.cause));
  EXPECT_EQ(NextState(crash, v1::STATE_RUNNING, 0).to, v1::STATE_QUEUED);
  EXPECT_EQ(NextState(crash, v1::STATE_RUNNING, 1).to, v1::STATE_QUEUED);
  const StateChange last = NextState(crash, v1::STATE_RUNNING, 2);
  EXPECT_EQ(last.to, v1::STATE_FAILED);
  EXPECT_EQ(last.reason, "WORKER_CRASHED");
  EXPECT_THAT(last.error->message(), HasSubstr("3 attempts"));
}

TEST(OutcomeTest, FailsAtOnceWhatCannotGoBetter) {
  EXPECT_EQ(NextState(Judge(Exited(20)), v1::STATE_RUNNING, 0).to, v1::STATE_FAILED);
}

TEST(OutcomeTest, EndsACancelledJobCancelledUnlessItSucceeded) {
  AttemptFacts facts = Exited(10);
  facts.cancel_asked = true;
  EXPECT_EQ(Judge(facts).cause, "CANCELLED");
  EXPECT_EQ(NextState(Judge(facts), v1::STATE_CANCELLING, 0).to, v1::STATE_CANCELLED);
  EXPECT_EQ(NextState(Judge(Exited(20)), v1::STATE_CANCELLING, 0).to, v1::STATE_CANCELLED);
  EXPECT_EQ(NextState(Judge({.done = true}), v1::STATE_CANCELLING, 0).to, v1::STATE_SUCCEEDED);
}

TEST(OutcomeTest, SuspendsAJobHoweverItsWorkerStopped) {
  AttemptFacts facts = Exited(10);
  facts.suspend_asked = true;
  EXPECT_EQ(Judge(facts).cause, "SUSPENDED");
  EXPECT_FALSE(IsCrash("SUSPENDED"));
  const StateChange change = NextState(Judge(facts), v1::STATE_SUSPENDING, 0);
  EXPECT_EQ(change.to, v1::STATE_SUSPENDED);
  EXPECT_EQ(change.reason, "SUSPEND_REQUESTED");
  EXPECT_FALSE(change.error.has_value());
  EXPECT_EQ(NextState(Judge({.end = {.signal = SIGKILL}}), v1::STATE_SUSPENDING, kMaxCrashes).to, v1::STATE_SUSPENDED)
      << "it crashed before it could be told";
  EXPECT_EQ(NextState(Judge({.stopped = true}), v1::STATE_SUSPENDING, 0).to, v1::STATE_SUSPENDED)
      << "the server ended first";
}

TEST(OutcomeTest, DoesNotSuspendWhatHasItsEnd) {
  EXPECT_EQ(NextState(Judge({.done = true}), v1::STATE_SUSPENDING, 0).to, v1::STATE_SUCCEEDED);
  EXPECT_EQ(NextState(Judge(Exited(20)), v1::STATE_SUSPENDING, 0).to, v1::STATE_FAILED);
}

TEST(OutcomeTest, CancelsWhatWasSuspendedBefore) {
  AttemptFacts facts = Exited(10);
  facts.suspend_asked = true;
  facts.cancel_asked = true;
  EXPECT_EQ(Judge(facts).cause, "CANCELLED");
  EXPECT_EQ(NextState(Judge(facts), v1::STATE_CANCELLING, 0).to, v1::STATE_CANCELLED);
}

TEST(OutcomeTest, FailsAnAttemptThatTookTooLong) {
  AttemptFacts facts = Exited(10);
  facts.timed_out = absl::Seconds(90);
  const Outcome outcome = Judge(facts);
  EXPECT_EQ(outcome.cause, "RUN_TIMEOUT");
  EXPECT_FALSE(IsCrash(outcome.cause));
  EXPECT_THAT(std::string(outcome.error.message()), HasSubstr("run_timeout of 1m30s"));
  const StateChange change = NextState(outcome, v1::STATE_RUNNING, 0);
  EXPECT_EQ(change.to, v1::STATE_FAILED);
  EXPECT_EQ(change.reason, "RUN_TIMEOUT");
  EXPECT_EQ(NextState(outcome, v1::STATE_CANCELLING, 0).to, v1::STATE_CANCELLED);
  facts.stopped = true;
  EXPECT_EQ(Judge(facts).cause, "RUN_TIMEOUT") << "the server's end is no reason for another attempt";
  facts.done = true;
  EXPECT_EQ(Judge(facts).cause, "DONE");
}

TEST(OutcomeTest, TellsStuckFromSilent) {
  AttemptFacts facts{.end = {.signal = SIGTERM}};
  facts.verdict = Watchdog::Verdict::kStuck;
  EXPECT_EQ(Judge(facts).cause, "WORKER_STUCK");
  facts.verdict = Watchdog::Verdict::kSilent;
  EXPECT_EQ(Judge(facts).cause, "WORKER_CRASHED");
}

}  // namespace
}  // namespace pivot
