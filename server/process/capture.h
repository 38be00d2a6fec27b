// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROCESS_CAPTURE_H_
#define PIVOT_SERVER_PROCESS_CAPTURE_H_

// Runs a short-lived child to its end, with bounds on all that it can use up.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "server/process/spawn.h"

namespace pivot {

struct CaptureLimits {
  absl::Duration timeout;
  size_t max_output_bytes = 0;
  int64_t max_data_bytes = 0;  // of its writable memory; 0: no bound
};

struct Captured {
  ProcessEnd end;
  std::string output;
  std::string error_tail;        // the end of what it wrote to stderr
  bool timed_out = false;        // it was killed
  bool output_too_long = false;  // it was killed
};

/// Writes `input` to the child's stdin and collects what it writes until it ends. The request's descriptors must be
/// empty. Once
/// `*stop` is true, the child is killed and the result is kCancelled.
absl::StatusOr<Captured> RunAndCapture(SpawnRequest request, const std::string& input, const CaptureLimits& limits,
                                       const std::atomic<bool>& stop);

}  // namespace pivot

#endif  // PIVOT_SERVER_PROCESS_CAPTURE_H_
