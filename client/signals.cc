// SPDX-License-Identifier: Apache-2.0
#include "client/signals.h"

#include <signal.h>
#include <thread>
#include <unistd.h>

#include "client/exit_code.h"

namespace pivot::client {
namespace {

void EndNow(int /*signal*/) { _exit(static_cast<int>(ExitCode::kInterrupted)); }

}  // namespace

void EndOnInterrupt() {
  struct sigaction action{};
  action.sa_handler = EndNow;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

std::stop_token CatchInterrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  // Blocked here and in every thread that follows, they wait for the one thread that takes them: nothing has to be done
  // inside a signal handler.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::stop_source stop;
  std::thread([signals, stop]() mutable {
    int signal = 0;
    sigwait(&signals, &signal);
    stop.request_stop();
    sigwait(&signals, &signal);
    _exit(static_cast<int>(ExitCode::kInterrupted));
  }).detach();
  return stop.get_token();
}

}  // namespace pivot::client
