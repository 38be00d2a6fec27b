// SPDX-License-Identifier: Apache-2.0
#include "server/store/transition.h"

#include <map>
#include <string>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/status/reason.h"
#include "server/convert.h"
#include "tests/support/status_matchers.h"

namespace pivot {
namespace {

using ::testing::HasSubstr;

constexpr char kJob[] = "projects/p/jobs/j";
constexpr v1::State kRefused = v1::STATE_UNSPECIFIED;

std::string NameOf(Steer steer) {
  switch (steer) {
    case Steer::kCancel:
      return "cancel";
    case Steer::kSuspend:
      return "suspend";
    case Steer::kResume:
      return "resume";
    case Steer::kRetry:
      return "retry";
  }
  return "";
}

struct SteerCase {
  Steer steer;
  v1::State from;
  v1::State to;
};

// The table of docs/api.md.
constexpr SteerCase kCases[] = {
    {Steer::kCancel, v1::STATE_QUEUED, v1::STATE_CANCELLED},
    {Steer::kCancel, v1::STATE_RUNNING, v1::STATE_CANCELLING},
    {Steer::kCancel, v1::STATE_SUSPENDING, v1::STATE_CANCELLING},
    {Steer::kCancel, v1::STATE_SUSPENDED, v1::STATE_CANCELLED},
    {Steer::kCancel, v1::STATE_CANCELLING, v1::STATE_CANCELLING},
    {Steer::kCancel, v1::STATE_SUCCEEDED, v1::STATE_SUCCEEDED},
    {Steer::kCancel, v1::STATE_FAILED, v1::STATE_FAILED},
    {Steer::kCancel, v1::STATE_CANCELLED, v1::STATE_CANCELLED},
    {Steer::kSuspend, v1::STATE_QUEUED, v1::STATE_SUSPENDED},
    {Steer::kSuspend, v1::STATE_RUNNING, v1::STATE_SUSPENDING},
    {Steer::kSuspend, v1::STATE_SUSPENDING, v1::STATE_SUSPENDING},
    {Steer::kSuspend, v1::STATE_SUSPENDED, v1::STATE_SUSPENDED},
    {Steer::kSuspend, v1::STATE_CANCELLING, kRefused},
    {Steer::kSuspend, v1::STATE_SUCCEEDED, kRefused},
    {Steer::kSuspend, v1::STATE_FAILED, kRefused},
    {Steer::kSuspend, v1::STATE_CANCELLED, kRefused},
    {Steer::kResume, v1::STATE_QUEUED, v1::STATE_QUEUED},
    {Steer::kResume, v1::STATE_RUNNING, v1::STATE_RUNNING},
    {Steer::kResume, v1::STATE_SUSPENDING, kRefused},
    {Steer::kResume, v1::STATE_SUSPENDED, v1::STATE_QUEUED},
    {Steer::kResume, v1::STATE_CANCELLING, kRefused},
    {Steer::kResume, v1::STATE_SUCCEEDED, kRefused},
    {Steer::kResume, v1::STATE_FAILED, kRefused},
    {Steer::kResume, v1::STATE_CANCELLED, kRefused},
    {Steer::kRetry, v1::STATE_QUEUED, kRefused},
    {Steer::kRetry, v1::STATE_RUNNING, kRefused},
    {Steer::kRetry, v1::STATE_SUSPENDING, kRefused},
    {Steer::kRetry, v1::STATE_SUSPENDED, kRefused},
    {Steer::kRetry, v1::STATE_CANCELLING, kRefused},
    {Steer::kRetry, v1::STATE_SUCCEEDED, kRefused},
    {Steer::kRetry, v1::STATE_FAILED, v1::STATE_QUEUED},
    {Steer::kRetry, v1::STATE_CANCELLED, v1::STATE_QUEUED},
};

class SteerTest : public ::testing::TestWithParam<SteerCase> {};

TEST_P(SteerTest, LeadsWhereTheTableSays) {
  const SteerCase& c = GetParam();
  const auto to = StateAfter(c.steer, c.from, kJob);
  if (c.to == kRefused) {
    EXPECT_EQ(ReasonOf(to.status()), "ILLEGAL_STATE");
    EXPECT_THAT(to, StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("projects/p/jobs/j is " + StateText(c.from) + ": only a ")));
    return;
  }
  ASSERT_OK(to);
  EXPECT_EQ(*to, c.to) << StateText(*to);
  EXPECT_TRUE(*to == c.from || MayFollow(c.from, *to)) << "the table of transitions has it, too";
}

INSTANTIATE_TEST_SUITE_P(All, SteerTest, ::testing::ValuesIn(kCases), [](const auto& parameter) {
  return NameOf(parameter.param.steer) + "_" + StateText(parameter.param.from);
});

TEST(TransitionTest, IsAskedOfEveryStateInEveryWay) {
  std::map<std::pair<Steer, v1::State>, int> seen;
  for (const SteerCase& c : kCases) ++seen[{c.steer, c.from}];
  EXPECT_EQ(seen.size(), 4U * (v1::State_ARRAYSIZE - 1));
}

TEST(TransitionTest, TellsWhatToDoInstead) {
  EXPECT_THAT(StateAfter(Steer::kResume, v1::STATE_FAILED, kJob).status().message(), HasSubstr("retry it instead"));
  EXPECT_THAT(StateAfter(Steer::kRetry, v1::STATE_SUSPENDED, kJob).status().message(), HasSubstr("resume it instead"));
  EXPECT_THAT(StateAfter(Steer::kResume, v1::STATE_SUSPENDING, kJob).status().message(),
              HasSubstr("when its worker has stopped"));
}

TEST(TransitionTest, LetsOnlyWhatHasEndedOrIsSuspendedBeDeleted) {
  for (int number = v1::State_MIN + 1; number <= v1::State_MAX; ++number) {
    const auto state = static_cast<v1::State>(number);
    const bool may = IsTerminal(state) || state == v1::STATE_SUSPENDED;
    EXPECT_EQ(CheckMayDelete(state, kJob).ok(), may) << StateText(state);
    EXPECT_THAT(CheckMayDelete(state, kJob).message(), HasSubstr(may ? "" : StateText(state)));
    EXPECT_EQ(CheckMayUpdate(state, kJob).ok(), !IsTerminal(state)) << StateText(state);
    EXPECT_EQ(ReasonOf(CheckMayDelete(state, kJob)), may ? "OK" : "ILLEGAL_STATE");
  }
}

/// All pairs, so that a new one must be written here, too.
TEST(TransitionTest, HasTheseTransitionsAndNoOthers) {
  const std::map<v1::State, std::string> wanted = {
      {v1::STATE_UNSPECIFIED, "QUEUED "},
      {v1::STATE_QUEUED, "RUNNING FAILED CANCELLED SUSPENDED "},
      {v1::STATE_RUNNING, "QUEUED CANCELLING SUCCEEDED FAILED SUSPENDING "},
      {v1::STATE_CANCELLING, "SUCCEEDED CANCELLED "},
      {v1::STATE_SUCCEEDED, ""},
      {v1::STATE_FAILED, "QUEUED "},
      {v1::STATE_CANCELLED, "QUEUED "},
      {v1::STATE_SUSPENDING, "CANCELLING SUCCEEDED FAILED SUSPENDED "},
      {v1::STATE_SUSPENDED, "QUEUED CANCELLED "},
  };
  for (int from = v1::State_MIN; from <= v1::State_MAX; ++from) {
    std::string found;
    for (int to = v1::State_MIN; to <= v1::State_MAX; ++to) {
      if (MayFollow(static_cast<v1::State>(from), static_cast<v1::State>(to)))
        found += StateText(static_cast<v1::State>(to)) + " ";
    }
    EXPECT_EQ(found, wanted.at(static_cast<v1::State>(from))) << StateText(static_cast<v1::State>(from));
  }
}

}  // namespace
}  // namespace pivot
