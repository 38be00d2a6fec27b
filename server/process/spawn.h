// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_PROCESS_SPAWN_H_
#define PIVOT_SERVER_PROCESS_SPAWN_H_

// Child processes that inherit nothing but what they are given.

#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "server/process/unique_fd.h"

namespace pivot {

struct SpawnRequest {
  std::string program;
  std::vector<std::string> arguments;    // without the program's own name
  std::vector<std::string> environment;  // "NAME=value", all of it
  std::vector<std::pair<int, int>>
      descriptors;  // ours, and its number there: 0, 1, 2...; an unnamed one of 0 to 2 is /dev/null
};

/// A child of ours that was not waited for yet.
struct ChildProcess {
  pid_t pid = -1;  // also its process group
  UniqueFd pidfd;  // readable once it has ended
};

/// How a process ended.
struct ProcessEnd {
  int exit_code = 0;
  int signal = 0;  // 0: none did
};

/// Starts it in a process group of its own, with default signals and no core dump. The signal of PR_SET_PDEATHSIG, if
/// it asks for one, is bound to the calling thread.
absl::StatusOr<ChildProcess> Spawn(const SpawnRequest& request);

/// Sends a signal to the whole group; no error when it is gone.
void SignalGroup(const ChildProcess& child, int signal);

/// Waits for a child that has ended or is about to; what is left of its group is killed first.
ProcessEnd Reap(const ChildProcess& child);

}  // namespace pivot

#endif  // PIVOT_SERVER_PROCESS_SPAWN_H_
