// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_CLIENT_COMMANDS_COMMAND_H_
#define PIVOT_CLIENT_COMMANDS_COMMAND_H_

// The table of commands.

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include "client/console.h"

namespace CLI {
class App;
}

namespace pivot::client {

/// What a command does once its arguments are parsed. May be called once.
using CommandAction = std::function<absl::Status(const Console&)>;

/// What Ctrl-C does: end the program, or request a stop that the command answers in order.
enum class OnInterrupt { kEnd, kAsk };

struct Command {
  absl::string_view name;
  absl::string_view summary;
  /// Adds the command's arguments to the parser.
  CommandAction (*declare)(CLI::App& app);
  OnInterrupt on_interrupt;
};

/// In the order in which help lists them.
absl::Span<const Command> Commands();

CommandAction DeclareCompress(CLI::App& app);
CommandAction DeclarePlan(CLI::App& app);
CommandAction DeclareSubmit(CLI::App& app);
CommandAction DeclareLs(CLI::App& app);
CommandAction DeclareGet(CLI::App& app);
CommandAction DeclareWatch(CLI::App& app);
CommandAction DeclareLogs(CLI::App& app);
CommandAction DeclareCancel(CLI::App& app);
CommandAction DeclareSuspend(CLI::App& app);
CommandAction DeclareResume(CLI::App& app);
CommandAction DeclareRetry(CLI::App& app);
CommandAction DeclareUpdate(CLI::App& app);
CommandAction DeclareRm(CLI::App& app);
CommandAction DeclarePull(CLI::App& app);
CommandAction DeclareConvert(CLI::App& app);
CommandAction DeclareEval(CLI::App& app);
CommandAction DeclareGenerate(CLI::App& app);
CommandAction DeclareTokenize(CLI::App& app);
CommandAction DeclareInspect(CLI::App& app);
CommandAction DeclareVerify(CLI::App& app);
CommandAction DeclareReport(CLI::App& app);
CommandAction DeclareCapabilities(CLI::App& app);
CommandAction DeclareDevices(CLI::App& app);
CommandAction DeclareToken(CLI::App& app);

}  // namespace pivot::client

#endif  // PIVOT_CLIENT_COMMANDS_COMMAND_H_
