// SPDX-License-Identifier: Apache-2.0
#include "server/worker/launcher.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "proto/files/crash_point.h"
#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/process/environment.h"

namespace pivot {
namespace {

constexpr int kPipeBytes = 1 << 20;

}  // namespace

absl::StatusOr<LaunchedWorker> ProcessLauncher::Launch(const Device& device) {
  PIVOT_ASSIGN_OR_RETURN(const std::string library_path,
                         TorchLibraryPath(options_.environment, options_.torch_path_file));
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return StatusFromErrno(errno, "cannot make", "a pipe");
  UniqueFd output(ends[0]);
  const UniqueFd written(ends[1]);
  fcntl(output.get(), F_SETFL, O_NONBLOCK);
  // So that a worker need not wait while the server is busy; it may be refused.
  fcntl(output.get(), F_SETPIPE_SZ, kPipeBytes);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return StatusFromErrno(errno, "cannot make", "a socket pair");
  }
  WorkerSocket ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  auto process = Spawn({.program = options_.program,
                        .environment = WorkerEnvironment(options_.environment, library_path, device),
                        .descriptors = {{written.get(), 1}, {written.get(), 2}, {theirs.get(), kWorkerSocketFd}}});
  if (!process.ok()) return WorkerNotStarted(process.status().message());
  PIVOT_CRASH_POINT("launch.spawned");
  return LaunchedWorker{*std::move(process), std::move(ours), std::move(output)};
}

}  // namespace pivot
