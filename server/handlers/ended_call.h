// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_HANDLERS_ENDED_CALL_H_
#define PIVOT_SERVER_HANDLERS_ENDED_CALL_H_

// What is written down of a call when it is over.

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

#include "server/handlers/backend.h"
#include "server/identity/access.h"

namespace pivot {

struct EndedCall {
  const char* service;
  const char* method;
  const Access& access;
  absl::Status status;
  std::chrono::steady_clock::time_point begin;
  std::string request_id = {};
  int64_t bytes = 0;  // of files and logs, sent
};

/// In the metrics, and, unless the method only tells of jobs, in the audit log.
void WriteDown(const EndedCall& call, Backend& backend);

}  // namespace pivot

#endif  // PIVOT_SERVER_HANDLERS_ENDED_CALL_H_
