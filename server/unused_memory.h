// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_UNUSED_MEMORY_H_
#define PIVOT_SERVER_UNUSED_MEMORY_H_

// Memory that this process has freed and the C library has kept, after thousands of streams have gone, say.

#include <cstdint>

namespace pivot {

/// Resident bytes that nothing in the process uses, about: programs and stacks count too. 0 when it cannot be told.
int64_t UnusedBytes();

/// What is kept to be used again.
inline constexpr int64_t kKeptUnusedBytes = int64_t{48} << 20;

/// Gives it back to the system when it is more than `at_most`. Takes milliseconds.
void ReturnUnusedMemory(int64_t at_most = kKeptUnusedBytes);

}  // namespace pivot

#endif  // PIVOT_SERVER_UNUSED_MEMORY_H_
