// SPDX-License-Identifier: Apache-2.0
#include "client/console.h"

#include <cstdlib>
#include <iostream>
#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

#include "client/process.h"
#include "client/signals.h"

namespace pivot::client {
namespace {

constexpr size_t kUsualColumns = 80;

size_t TerminalColumns() {
  const char* terminal = std::getenv("TERM");
  const bool understands_codes = terminal == nullptr || absl::string_view(terminal) != "dumb";
  if (isatty(STDERR_FILENO) == 0 || !understands_codes) return 0;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

}  // namespace

Console ProcessConsole() {
  return {.out = &std::cout,
          .err = &std::cerr,
          .columns = TerminalColumns,
          .program_folder = ProgramFolder(),
          .catch_interrupts = CatchInterrupts};
}

void PrintJson(nlohmann::json object, std::ostream* out) {
  object["schema"] = kOutputSchema;
  *out << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n" << std::flush;
}

}  // namespace pivot::client
