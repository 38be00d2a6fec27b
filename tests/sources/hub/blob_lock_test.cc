// SPDX-License-Identifier: Apache-2.0
#include "sources/hub/blob_lock.h"

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>

#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace pivot::hub {
namespace {

TEST(BlobLockTest, ExcludesUntilItGoes) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.lock";
  absl::StatusOr<BlobLock> acquired = BlobLock::Acquire(path, [] {}, [] { return false; });
  ASSERT_OK(acquired);
  std::optional<BlobLock> first(*std::move(acquired));
  std::atomic<bool> waits = false;
  std::atomic<bool> is_free = false;
  std::thread second([&] {
    const auto lock = BlobLock::Acquire(path, [&] { waits = true; }, [] { return false; });
    EXPECT_OK(lock);
    EXPECT_TRUE(is_free);
  });
  while (!waits) std::this_thread::yield();
  is_free = true;
  first.reset();
  second.join();
  EXPECT_TRUE(std::filesystem::exists(path)) << "others may wait on the file";
}

TEST(BlobLockTest, WaitingCanBeStopped) {
  const TemporaryFolder folder;
  const auto first = BlobLock::Acquire(folder / "x.lock", [] {}, [] { return false; });
  ASSERT_OK(first);
  std::atomic<bool> stops = false;
  const auto second = BlobLock::Acquire(folder / "x.lock", [&] { stops = true; }, [&] { return stops.load(); });
  EXPECT_EQ(second.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace pivot::hub
