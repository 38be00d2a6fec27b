// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_CLI_H_
#define PIVOT_CLIENT_CLI_H_

// The command line as a function.

#include <string>
#include <vector>

#include "client/console.h"
#include "client/exit_code.h"

namespace pivot::client {

/// Runs one command. `arguments` are those after the program's name.
ExitCode RunCli(const std::vector<std::string>& arguments, const Console& console);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_CLI_H_
