// SPDX-License-Identifier: Apache-2.0
#include "server/worker/launcher.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utility>

#include "proto/files/durable_file.h"
#include "proto/status/status_macros.h"
#include "server/errors.h"
#include "server/process/environment.h"

namespace pivot {

absl::StatusOr<LaunchedWorker> ProcessLauncher::Launch(const Device& device, const std::string& log_path) {
  PIVOT_ASSIGN_OR_RETURN(const std::string library_path,
                         TorchLibraryPath(options_.environment, options_.torch_path_file));
  const UniqueFd log(open(log_path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  struct stat info{};
  if (!log.valid() || fstat(log.get(), &info) != 0) return StatusFromErrno(errno, "cannot open", log_path);
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return StatusFromErrno(errno, "cannot make", "a socket pair");
  }
  WorkerSocket ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  auto process = Spawn({.program = options_.program,
                        .environment = WorkerEnvironment(options_.environment, library_path, device),
                        .descriptors = {{log.get(), 1}, {log.get(), 2}, {theirs.get(), kWorkerSocketFd}}});
  if (!process.ok()) return WorkerNotStarted(process.status().message());
  return LaunchedWorker{*std::move(process), std::move(ours), info.st_size};
}

}  // namespace pivot
