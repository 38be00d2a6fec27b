// SPDX-License-Identifier: Apache-2.0
// pivotd: starts the server and waits for a signal, or for the end of whoever started it.
#include <array>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <grpc/support/log.h>
#include <iostream>
#include <poll.h>
#include <string>
#include <sys/signalfd.h>
#include <thread>
#include <unistd.h>
#include <variant>

#include "absl/strings/str_cat.h"

#include "server/command_line.h"
#include "server/log.h"
#include "server/process/unique_fd.h"
#include "server/server.h"

namespace pivot {
namespace {

/// Blocks the signals that end the server or let it read its files again, for this thread and all that it starts, so
/// that they are read from a descriptor.
UniqueFd CatchSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC));
}

/// gRPC writes to stderr in a form of its own; what it calls an error becomes a line of our log.
void LogGrpcErrors(gpr_log_func_args* message) {
  if (message->severity == GPR_LOG_SEVERITY_ERROR) Log(Severity::kWarning, "grpc", {{"message", message->message}});
}

void SayReady(int fd, const Server& server) {
  if (fd < 0) return;
  std::string text;
  for (const std::string& address : server.addresses()) absl::StrAppend(&text, "ready ", address, "\n");
  // Whoever asked for it may be gone; then the lifeline tells.
  [[maybe_unused]] const ssize_t written = write(fd, text.data(), text.size());
  close(fd);
}

/// The signal that came, or 0.
int ReadSignal(int signal_fd) {
  signalfd_siginfo info{};
  return read(signal_fd, &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
}

/// Waits for a signal or for the end of the lifeline (-1: none). Returns the signal, or 0. On SIGHUP the server reads
/// its files again.
int WaitForEnd(Server& server, int signal_fd, int lifeline_fd) {
  std::array<pollfd, 2> waits = {{{signal_fd, POLLIN, 0}, {lifeline_fd, POLLIN, 0}}};
  while (true) {
    poll(waits.data(), waits.size(), -1);
    const int signal = waits[0].revents != 0 ? ReadSignal(signal_fd) : 0;
    if (signal == SIGHUP) server.Reload();
    if (signal != 0 && signal != SIGHUP) return signal;
    std::array<char, 256> ignored{};
    if (waits[1].revents != 0 && read(lifeline_fd, ignored.data(), ignored.size()) <= 0) return 0;
  }
}

/// A second signal during the shutdown ends the process at once; workers go with it.
void ShutDown(Server& server, int signal_fd) {
  std::atomic<bool> finished = false;
  std::thread impatience([&] {
    pollfd wait{signal_fd, POLLIN, 0};
    while (!finished) {
      if (poll(&wait, 1, 50) > 0 && !finished && ReadSignal(signal_fd) != SIGHUP) _exit(1);
    }
  });
  server.Shutdown();
  finished = true;
  impatience.join();
}

int Main(int argc, char** argv) {
  const UniqueFd signals = CatchSignals();
  const std::variant<CommandLine, int> parsed = ParseCommandLine(argc, argv);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const CommandLine& line = std::get<CommandLine>(parsed);
  for (const int fd : {line.lifeline_fd, line.ready_fd}) {
    if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  gpr_set_log_function([](gpr_log_func_args*) {});  // until it serves, the one sentence below says what is wrong
  auto server = Server::Start(line.server);
  if (!server.ok()) {
    std::cerr << "pivotd: " << server.status().message() << "\n";
    return 1;
  }
  gpr_set_log_function(LogGrpcErrors);
  SayReady(line.ready_fd, **server);
  const int signal = WaitForEnd(**server, signals.get(), line.lifeline_fd);
  Log(Severity::kInfo, "shutting_down", {{"signal", signal}});
  ShutDown(**server, signals.get());
  Log(Severity::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace pivot

int main(int argc, char** argv) { return pivot::Main(argc, argv); }
