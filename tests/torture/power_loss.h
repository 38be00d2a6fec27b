// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_TORTURE_POWER_LOSS_H_
#define PIVOT_TESTS_TORTURE_POWER_LOSS_H_

// Takes back what a program did to a folder and did not sync, as the loss of power may.

#include <random>
#include <string>

namespace pivot {

/// How much of what was not synced is lost. What is left of kSome is any part of the writes, cut at sectors, and of the
/// changes of names those before some moment.
enum class Loss { kAll, kSome };

struct LostChanges {
  int writes = 0;
  int names = 0;
};

/// The program wrote `undo_file` (disk/disk_shim.cc), and has ended. The file is removed.
LostChanges LosePower(const std::string& undo_file, const std::string& folder, Loss loss, std::mt19937_64& random);

}  // namespace pivot

#endif  // PIVOT_TESTS_TORTURE_POWER_LOSS_H_
