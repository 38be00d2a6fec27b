// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROCESS_EXIT_CODE_H_
#define PIVOT_SERVER_PROCESS_EXIT_CODE_H_

// With what pivotd ends.

namespace pivot {

/// What was written is in nobody's hands but the kernel's: asking again whether it is on disk would get a wrong answer,
/// so the server ends, and the next one starts from what can be read.
inline constexpr int kExitSyncFailed = 74;

}  // namespace pivot

#endif  // PIVOT_SERVER_PROCESS_EXIT_CODE_H_
