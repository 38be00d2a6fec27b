// SPDX-License-Identifier: Apache-2.0
#include "server/recent_events.h"

#include "gtest/gtest.h"

namespace pivot {
namespace {

using Kind = RecentEvents::Answer::Kind;

v1::JobEvent Numbered(uint64_t seq, uint64_t project_seq, v1::State to = v1::STATE_RUNNING) {
  v1::JobEvent event;
  event.set_job("projects/p/jobs/a");
  event.set_seq(seq);
  event.set_project_seq(project_seq);
  event.mutable_state_changed()->set_to(to);
  return event;
}

TEST(RecentEventsTest, TellsWhatFollows) {
  RecentEvents recent;
  recent.Add("u", Numbered(5, 50));
  recent.Add("u", Numbered(6, 60));
  EXPECT_EQ(recent.After("u", 4).kind, Kind::kEvent);
  EXPECT_EQ(recent.After("u", 4).event->seq(), 5U);
  EXPECT_EQ(recent.After("u", 5).event->seq(), 6U);
  EXPECT_EQ(recent.After("u", 6).kind, Kind::kNothing);
}

TEST(RecentEventsTest, LeavesToTheStoreWhatItDoesNotHave) {
  RecentEvents recent;
  EXPECT_EQ(recent.After("u", 0).kind, Kind::kUnknown);
  recent.Add("u", Numbered(6, 60));
  EXPECT_EQ(recent.After("u", 4).kind, Kind::kUnknown) << "5 came before";
  EXPECT_EQ(recent.After("u", 7).kind, Kind::kUnknown) << "7 may have been stored and not told yet";
  EXPECT_EQ(recent.After("other", 5).kind, Kind::kUnknown);
}

TEST(RecentEventsTest, TakesEventsInAnyOrder) {
  RecentEvents recent;
  recent.Add("u", Numbered(6, 60, v1::STATE_SUCCEEDED));
  recent.Add("u", Numbered(5, 50));
  EXPECT_EQ(recent.After("u", 4).event->seq(), 5U);
  EXPECT_EQ(recent.After("u", 6).kind, Kind::kEnd);
}

TEST(RecentEventsTest, KnowsTheEndUntilTheJobIsRetried) {
  RecentEvents recent;
  recent.Add("u", Numbered(5, 50, v1::STATE_FAILED));
  EXPECT_EQ(recent.After("u", 5).kind, Kind::kEnd);
  recent.Add("u", Numbered(6, 60, v1::STATE_QUEUED));
  EXPECT_EQ(recent.After("u", 5).kind, Kind::kEvent);
  EXPECT_EQ(recent.After("u", 6).kind, Kind::kNothing);
}

TEST(RecentEventsTest, FollowsAProjectOnlyWithoutAGap) {
  RecentEvents recent;
  recent.Add("u", Numbered(5, 50));
  ASSERT_NE(recent.AfterInProject("projects/p", 49), nullptr);
  EXPECT_EQ(recent.AfterInProject("projects/p", 49)->project_seq(), 50U);
  EXPECT_EQ(recent.AfterInProject("projects/p", 48), nullptr);
  EXPECT_EQ(recent.AfterInProject("projects/p", 50), nullptr);
  EXPECT_EQ(recent.AfterInProject("projects/q", 49), nullptr);
}

TEST(RecentEventsTest, ForgetsADeletedJobAndTellsThatItIsGone) {
  RecentEvents recent;
  recent.Add("u", Numbered(5, 50));
  v1::JobEvent deletion;
  deletion.set_job("projects/p/jobs/a");
  deletion.set_project_seq(51);
  deletion.mutable_job_deleted()->set_uid("u");
  recent.Add("u", deletion);
  EXPECT_EQ(recent.After("u", 4).kind, Kind::kUnknown);
  EXPECT_EQ(recent.AfterInProject("projects/p", 49), nullptr);
  ASSERT_NE(recent.AfterInProject("projects/p", 50), nullptr);
  EXPECT_TRUE(recent.AfterInProject("projects/p", 50)->has_job_deleted());
}

TEST(RecentEventsTest, KeepsWithinItsBound) {
  RecentEvents recent(20000);
  for (uint64_t i = 1; i <= 1000; ++i) recent.Add("u", Numbered(i, i));
  EXPECT_EQ(recent.After("u", 999).kind, Kind::kEvent);
  EXPECT_EQ(recent.After("u", 1).kind, Kind::kUnknown);
  recent.Add("other", Numbered(1, 2000));
  for (uint64_t i = 2; i <= 100; ++i) recent.Add("third", Numbered(i, 3000 + i));
  EXPECT_EQ(recent.After("other", 1).kind, Kind::kUnknown) << "a job without events is forgotten";
}

}  // namespace
}  // namespace pivot
