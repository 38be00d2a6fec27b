// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_TESTS_SUPPORT_EVENTUALLY_H_
#define PIVOT_TESTS_SUPPORT_EVENTUALLY_H_

// Waits for what happens in another thread or process.

#include <chrono>
#include <functional>
#include <thread>

namespace pivot {

/// Whether `condition` becomes true before a deadline that only a hung program misses.
inline bool Eventually(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds(30)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace pivot

#endif  // PIVOT_TESTS_SUPPORT_EVENTUALLY_H_
