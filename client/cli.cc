// SPDX-License-Identifier: Apache-2.0
#include "client/cli.h"

#include <algorithm>
#include <exception>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/view/table.h"
#include "proto/status/reason.h"

namespace pivot::client {
namespace {

using Arguments = std::vector<std::string>;

bool Contains(const Arguments& arguments, absl::string_view flag) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [flag](const std::string& argument) { return absl::string_view(argument) == flag; });
}

std::string GeneralHelp() {
  Table table({{""}, {""}});
  for (const Command& command : Commands()) {
    table.AddRow({absl::StrCat("  ", command.name), std::string(command.summary)});
  }
  return absl::StrCat("Compresses foundation models.\n\nusage: pivot COMMAND [ARGUMENTS]\n\n", table.Render(),
                      "\n`pivot COMMAND --help` describes one of them; `pivot --version` prints the version.\n");
}

/// CLI11's description as a sentence of ours.
std::string Sentence(const CLI::ParseError& error) {
  absl::string_view text = error.what();
  for (const char* prefix :
       {"The following argument was not expected: ", "The following arguments were not expected: "}) {
    if (absl::ConsumePrefix(&text, prefix)) return absl::StrCat("unknown argument ", text);
  }
  std::string sentence(text);
  if (sentence.size() > 1 && absl::ascii_islower(static_cast<unsigned char>(sentence[1]))) {
    sentence[0] = absl::ascii_tolower(static_cast<unsigned char>(sentence[0]));
  }
  return sentence;
}

absl::Status RunCommand(const Command& command, const Arguments& arguments, const Console& console) {
  CLI::App app{std::string(command.summary), absl::StrCat("pivot ", command.name)};
  const CommandAction action = command.declare(app);
  Arguments reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    *console.out << app.help();
    return absl::OkStatus();
  } catch (const CLI::ParseError& error) {
    return UsageError(absl::StrCat(Sentence(error), "; `pivot ", command.name, " --help` lists what is allowed"));
  }
  Console with_interrupts = console;
  if (command.on_interrupt == OnInterrupt::kAsk) with_interrupts.interrupted = console.catch_interrupts();
  return action(with_interrupts);
}

absl::Status Dispatch(const Arguments& arguments, const Console& console) {
  if (arguments.empty()) return UsageError("no command was given; `pivot --help` lists them");
  const std::string& first = arguments[0];
  if (first == "--help" || first == "-h" || first == "help") {
    *console.out << GeneralHelp();
    return absl::OkStatus();
  }
  if (first == "--version") {
    *console.out << "pivot " << PIVOT_VERSION << "\n";
    return absl::OkStatus();
  }
  for (const Command& command : Commands()) {
    if (command.name != absl::string_view(first)) continue;
    return RunCommand(command, Arguments(arguments.begin() + 1, arguments.end()), console);
  }
  return UsageError(absl::StrCat("there is no command \"", first, "\"; `pivot --help` lists them"));
}

void PrintError(const absl::Status& status, const Arguments& arguments, const Console& console) {
  if (Contains(arguments, "--json")) {
    nlohmann::json error = StatusToJson(status);
    error["field"] = FieldOf(status);
    PrintJson({{"error", std::move(error)}}, console.out);
  }
  *console.err << "pivot: " << status.message();
  if (Contains(arguments, "-v") || Contains(arguments, "--verbose")) {
    *console.err << " [" << CodeName(status.code()) << ", " << ReasonOf(status);
    if (!FieldOf(status).empty()) *console.err << ", " << FieldOf(status);
    *console.err << "]";
  }
  *console.err << "\n" << std::flush;
}

}  // namespace

ExitCode RunCli(const Arguments& arguments, const Console& console) {
  absl::Status status;
  try {
    status = Dispatch(arguments, console);
  } catch (const std::exception& error) {  // none of ours: the standard library's and CLI11's
    status = absl::InternalError(absl::StrCat("unexpected: ", error.what()));
  }
  if (!status.ok()) PrintError(status, arguments, console);
  console.out->flush();
  return ExitCodeOf(status);
}

}  // namespace pivot::client
