// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_SIGNALS_H_
#define PIVOT_CLIENT_SIGNALS_H_

// Ctrl-C.

#include <stop_token>

namespace pivot::client {

/// SIGINT and SIGTERM end the process with exit code 130.
void EndOnInterrupt();

/// From now on the first SIGINT or SIGTERM requests a stop on the token that this returns, and a second one ends the
/// process at once with exit code 130. Called once, before any other thread is started.
std::stop_token CatchInterrupts();

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_SIGNALS_H_
