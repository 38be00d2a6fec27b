// SPDX-License-Identifier: Apache-2.0
#include "server/unused_memory.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pivot {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnMalloc = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kOwnMalloc = false;
#else
constexpr bool kOwnMalloc = true;
#endif
#else
constexpr bool kOwnMalloc = true;
#endif

TEST(UnusedMemoryTest, GoesBackToTheSystem) {
  if (!kOwnMalloc) GTEST_SKIP() << "a sanitizer has a malloc of its own";
  constexpr int64_t kBytes = int64_t{64} << 20;
  constexpr size_t kPiece = 1000;
  std::vector<std::unique_ptr<std::string>> pieces;
  for (int64_t i = 0; i < kBytes / static_cast<int64_t>(kPiece); ++i) {
    pieces.push_back(std::make_unique<std::string>(kPiece, 'x'));
  }
  const int64_t used = UnusedBytes();
  // One in a hundred stays: what is between them is not at the end of the heap.
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i % 100 != 0) pieces[i].reset();
  }
  EXPECT_GT(UnusedBytes(), used + kBytes / 2) << "freed memory stays with the process";
  ReturnUnusedMemory(int64_t{1} << 40);
  EXPECT_GT(UnusedBytes(), used + kBytes / 2) << "so little is not worth it";
  ReturnUnusedMemory(0);
  EXPECT_LT(UnusedBytes(), used + kBytes / 4);
}

}  // namespace
}  // namespace pivot
