// SPDX-License-Identifier: Apache-2.0
// kill -9 of the server at any moment under load: PIVOT_TORTURE_KILLS times, and PIVOT_TORTURE_LOSSES times with the
// loss of what was not synced.
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "tests/torture/lives.h"
#include "tests/torture/power_loss.h"
#include "tests/torture/rounds.h"

namespace pivot {
namespace {

TEST(KillsTest, NothingThatWasAcknowledgedIsLostByAnyKill) {
  Lives lives(Seed());
  lives.Run(Rounds("PIVOT_TORTURE_KILLS", 20));
  std::cout << lives.Summary() << "\n";
}

TEST(LostWritesTest, NothingThatWasAcknowledgedIsLostWithWhatWasNotSynced) {
  Lives lives(Seed());
  const std::string undo = lives.server().folder() / "undo";
  lives.SetEnvironment({absl::StrCat("LD_PRELOAD=", PIVOT_DISK_SHIM),
                        absl::StrCat("PIVOT_SHIM_ROOT=", lives.server().data()),
                        absl::StrCat("PIVOT_SHIM_UNDO=", undo)});
  LossyDisk disk(undo, lives.server().data());
  LostChanges lost;
  lives.AfterEachKill([&](std::mt19937_64& random) {
    const LostChanges now = disk.LosePower(random() % 2 == 0 ? Loss::kAll : Loss::kSome, random);
    lost.writes += now.writes;
    lost.names += now.names;
    lost.foreign += now.foreign;
  });
  lives.Run(Rounds("PIVOT_TORTURE_LOSSES", 15));
  EXPECT_GT(lost.writes, 0);
  EXPECT_GT(lost.names, 0);
  EXPECT_GT(lost.foreign, 0);
  std::cout << lives.Summary() << "; " << lost.writes << " writes and " << lost.names << " changes of names lost, and "
            << lost.foreign << " of workers\n";
}

}  // namespace
}  // namespace pivot
