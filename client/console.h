// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_CONSOLE_H_
#define PIVOT_CLIENT_CONSOLE_H_

// What a command writes to, and what stops it.

#include <cstddef>
#include <functional>
#include <ostream>
#include <stop_token>
#include <string>

#include "nlohmann/json_fwd.hpp"

namespace pivot::client {

struct Console {
  /// Results.
  std::ostream* out;
  /// Progress and messages.
  std::ostream* err;
  /// Width of the terminal behind `err`, 0 when there is none.
  std::function<size_t()> columns = [] { return size_t{0}; };
  /// Where pivotd and pivot-probe lie.
  std::string program_folder;
  /// From the call on, the first Ctrl-C requests a stop on the answer and the second ends the program.
  std::function<std::stop_token()> catch_interrupts = [] { return std::stop_token(); };
  /// The answer, for the commands that ask for it.
  std::stop_token interrupted;
};

/// Of this process: standard output and error.
Console ProcessConsole();

/// Every object that the program prints carries this.
inline constexpr int kOutputSchema = 1;

/// One line, flushed: the object with "schema" added.
void PrintJson(nlohmann::json object, std::ostream* out);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_CONSOLE_H_
