// SPDX-License-Identifier: Apache-2.0
#include "server/process/spawn.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "proto/files/durable_file.h"

namespace pivot {
namespace {

// Above every number that a child is given, so that one dup2 cannot overwrite the source of another.
constexpr int kFirstSafeFd = 16;

/// Frees posix_spawn's two objects.
struct SpawnSetup {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  std::vector<UniqueFd> sources;

  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
};

absl::Status SetDescriptors(const SpawnRequest& request, SpawnSetup& setup) {
  for (int standard = 0; standard <= 2; ++standard) {
    posix_spawn_file_actions_addopen(&setup.actions, standard, "/dev/null", O_RDWR, 0);
  }
  int last = 2;
  for (const auto& [ours, theirs] : request.descriptors) {
    setup.sources.emplace_back(fcntl(ours, F_DUPFD_CLOEXEC, kFirstSafeFd));
    if (!setup.sources.back().valid()) return StatusFromErrno(errno, "cannot start", request.program);
    posix_spawn_file_actions_adddup2(&setup.actions, setup.sources.back().get(), theirs);
    last = std::max(last, theirs);
  }
  posix_spawn_file_actions_addclosefrom_np(&setup.actions, last + 1);
  return absl::OkStatus();
}

void SetSignals(SpawnSetup& setup) {
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setsigdefault(&setup.attributes, &all);
  posix_spawnattr_setpgroup(&setup.attributes, 0);
  posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

absl::StatusOr<ChildProcess> Spawn(const SpawnRequest& request) {
  SpawnSetup setup;
  if (absl::Status status = SetDescriptors(request, setup); !status.ok()) return status;
  SetSignals(setup);
  std::vector<std::string> arguments = {request.program};
  arguments.insert(arguments.end(), request.arguments.begin(), request.arguments.end());
  std::vector<std::string> environment = request.environment;
  ChildProcess child;
  const int error = posix_spawn(&child.pid, request.program.c_str(), &setup.actions, &setup.attributes,
                                Pointers(arguments).data(), Pointers(environment).data());
  if (error != 0) return StatusFromErrno(error, "cannot start", request.program);
  const rlimit no_core{0, 0};
  prlimit(child.pid, RLIMIT_CORE, &no_core, nullptr);
  child.pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
  if (child.pidfd.valid()) return child;
  const int pidfd_error = errno;
  kill(child.pid, SIGKILL);
  Reap(child);
  return StatusFromErrno(pidfd_error, "cannot watch", request.program);
}

void SignalGroup(const ChildProcess& child, int signal) { kill(-child.pid, signal); }

ProcessEnd Reap(const ChildProcess& child) {
  // Before it is waited for, its number cannot belong to another group.
  SignalGroup(child, SIGKILL);
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) return {.exit_code = 0, .signal = WTERMSIG(status)};
  return {.exit_code = WEXITSTATUS(status), .signal = 0};
}

}  // namespace pivot
