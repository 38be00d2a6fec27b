// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_WORKER_LOG_TAIL_H_
#define PIVOT_SERVER_WORKER_LOG_TAIL_H_

// The last lines that a worker wrote.

#include <cstdint>
#include <string>

namespace pivot {

/// The end of what follows `begin` in the file, valid UTF-8 of at most 4 KiB; whole lines if it had to be cut. Empty
/// when there is nothing or the file cannot be read.
std::string ReadLogTail(const std::string& path, int64_t begin);

}  // namespace pivot

#endif  // PIVOT_SERVER_WORKER_LOG_TAIL_H_
