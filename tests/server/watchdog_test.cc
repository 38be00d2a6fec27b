// SPDX-License-Identifier: Apache-2.0
#include "server/worker/watchdog.h"

#include "gtest/gtest.h"

namespace pivot {
namespace {

using std::chrono::milliseconds;
using Order = Watchdog::Order;
using Verdict = Watchdog::Verdict;

constexpr WatchdogLimits kLimits = {.silence = milliseconds(100),
                                    .stuck = milliseconds(1000),
                                    .terminate_grace = milliseconds(50),
                                    .cancel_grace = milliseconds(300)};

class WatchdogTest : public ::testing::Test {
 protected:
  static Watchdog::Clock::time_point At(int time) { return Watchdog::Clock::time_point(milliseconds(10000 + time)); }
  Watchdog watchdog_{kLimits, At(0)};
};

TEST_F(WatchdogTest, LeavesALivelyWorkerAlone) {
  for (int time = 0; time < 5000; time += 90) {
    watchdog_.FrameCame(At(time));
    watchdog_.WorkDone(At(time));
    EXPECT_EQ(watchdog_.Check(At(time + 80)), Order::kNone);
  }
  EXPECT_EQ(watchdog_.verdict(), Verdict::kNone);
}

TEST_F(WatchdogTest, TerminatesThenKillsASilentWorker) {
  EXPECT_EQ(watchdog_.Check(At(99)), Order::kNone);
  EXPECT_EQ(watchdog_.next_check(), At(100));
  EXPECT_EQ(watchdog_.Check(At(100)), Order::kTerminate);
  EXPECT_EQ(watchdog_.verdict(), Verdict::kSilent);
  EXPECT_EQ(watchdog_.next_check(), At(150));
  EXPECT_EQ(watchdog_.Check(At(149)), Order::kNone);
  EXPECT_EQ(watchdog_.Check(At(150)), Order::kKill);
  EXPECT_EQ(watchdog_.Check(At(9999)), Order::kNone) << "each order is given once";
  EXPECT_EQ(watchdog_.next_check(), Watchdog::Clock::time_point::max());
}

TEST_F(WatchdogTest, CallsAWorkerStuckThatOnlyBeats) {
  int time = 0;
  for (; time < 1000; time += 50) {
    watchdog_.FrameCame(At(time));
    ASSERT_EQ(watchdog_.Check(At(time)), Order::kNone) << time;
  }
  watchdog_.FrameCame(At(1000));
  EXPECT_EQ(watchdog_.Check(At(1000)), Order::kTerminate);
  EXPECT_EQ(watchdog_.verdict(), Verdict::kStuck);
}

TEST_F(WatchdogTest, KillsAWorkerThatDoesNotHeedACancel) {
  watchdog_.CancelSent(At(0));
  for (int time = 0; time < 300; time += 50) {
    watchdog_.FrameCame(At(time));
    ASSERT_EQ(watchdog_.Check(At(time)), Order::kNone);
  }
  EXPECT_EQ(watchdog_.Check(At(300)), Order::kKill);
  EXPECT_EQ(watchdog_.verdict(), Verdict::kNone);
}

TEST_F(WatchdogTest, TerminatesAtOnceWhenStopped) {
  watchdog_.Stop();
  EXPECT_LE(watchdog_.next_check(), At(0));
  EXPECT_EQ(watchdog_.Check(At(10)), Order::kTerminate);
  EXPECT_EQ(watchdog_.Check(At(60)), Order::kKill);
  EXPECT_EQ(watchdog_.verdict(), Verdict::kNone);
}

TEST_F(WatchdogTest, GivesAWorkerTimeToEndAfterItsLastWord) {
  watchdog_.EndExpected(At(10));
  EXPECT_EQ(watchdog_.Check(At(59)), Order::kNone);
  EXPECT_EQ(watchdog_.Check(At(60)), Order::kKill);
}

TEST_F(WatchdogTest, AsksAWorkerToEndOnceItsTimeIsOver) {
  watchdog_.MayRunUntil(At(70));
  EXPECT_EQ(watchdog_.next_check(), At(70));
  EXPECT_EQ(watchdog_.Check(At(69)), Order::kNone);
  EXPECT_EQ(watchdog_.Check(At(70)), Order::kAsk);
  EXPECT_EQ(watchdog_.Check(At(71)), Order::kNone) << "each order is given once";
  EXPECT_EQ(watchdog_.verdict(), Verdict::kNone);
  watchdog_.FrameCame(At(71));
  EXPECT_EQ(watchdog_.next_check(), At(171)) << "the rest goes on as before";
}

TEST_F(WatchdogTest, AsksNothingOfAWorkerThatWasTerminated) {
  watchdog_.MayRunUntil(At(120));
  EXPECT_EQ(watchdog_.Check(At(100)), Order::kTerminate);
  EXPECT_EQ(watchdog_.next_check(), At(150));
  EXPECT_EQ(watchdog_.Check(At(130)), Order::kNone);
  EXPECT_EQ(watchdog_.Check(At(150)), Order::kKill);
}

TEST_F(WatchdogTest, KeepsTheEarlierOfTwoDeadlines) {
  watchdog_.CancelSent(At(0));
  watchdog_.EndExpected(At(10));
  EXPECT_EQ(watchdog_.next_check(), At(60));
}

}  // namespace
}  // namespace pivot
