// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_SERVER_COMMAND_LINE_H_
#define PIVOT_SERVER_COMMAND_LINE_H_

// pivotd's flags.

#include <optional>
#include <variant>

#include "server/server.h"

namespace pivot {

struct CommandLine {
  ServerOptions server;
  int lifeline_fd = -1;  // its end of file stops the server
  int ready_fd = -1;     // gets one line for each address, then is closed
};

/// The command line, or the exit code of a process that has said all it had to say: 0 for --help and --version, 2 for
/// wrong usage.
std::variant<CommandLine, int> ParseCommandLine(int argc, const char* const* argv);

}  // namespace pivot

#endif  // PIVOT_SERVER_COMMAND_LINE_H_
