// SPDX-License-Identifier: Apache-2.0
#include "client/logs.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/exit_code.h"
#include "client/jobs.h"
#include "client/view/units.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::string job;
  bool follow = false;
  int32_t attempt = 0;
  ServerAddress server;
  OutputFlags shown;
};

/// Lines stay lines; what else could steer the terminal is a "?".
std::string PrintableLines(std::string text) {
  for (char& c : text) {
    if (c == '\r') c = '\n';  // a line that was to be overwritten
    if (c != '\n' && c != '\t' && absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  return text;
}

class LogPrinter {
 public:
  LogPrinter(const Flags& flags, const Console& console) : flags_(flags), console_(console) {}

  void Print(const v1::LogChunk& chunk) {
    if (flags_.shown.json) {
      PrintJson({{"attempt", chunk.attempt()},
                 {"offset", chunk.offset()},
                 {"skipped_bytes", chunk.skipped_bytes()},
                 {"text", chunk.data()}},
                console_.out);
      return;
    }
    if (chunk.skipped_bytes() > 0) {
      *console_.out << (line_is_open_ ? "\n" : "") << "[" << FormatCount(chunk.skipped_bytes())
                    << " bytes are not kept]\n";
    }
    line_is_open_ = chunk.data().back() != '\n';
    *console_.out << PrintableLines(chunk.data()) << std::flush;
  }

 private:
  const Flags& flags_;
  const Console& console_;
  bool line_is_open_ = false;
};

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, "logs"));
  PIVOT_ASSIGN_OR_RETURN(const std::string name, JobName(flags.job));
  if (flags.attempt < 0) {
    return UsageError(absl::StrCat("--attempt is ", flags.attempt, "; allowed: 1, 2..."), "--attempt");
  }
  // Says at once when there is no such job or server; the stream itself would wait for the server.
  PIVOT_RETURN_IF_ERROR(GetJob(session->connection(), name, {.stop = console.interrupted}).status());
  v1::StreamLogsRequest request;
  request.set_name(name);
  request.set_attempt(flags.attempt);
  request.set_no_follow(!flags.follow);
  Reporter reporter(console, flags.shown);
  ReconnectOptions options{.stop = console.interrupted};
  options.before_reconnect = [&reporter](const absl::Status& lost) {
    reporter.Note(absl::StrCat(lost.message(), "; trying again"));
    return absl::OkStatus();
  };
  LogPrinter printer(flags, console);
  return StreamLogs(session->connection(), request, options,
                    [&printer](const v1::LogChunk& chunk) { printer.Print(chunk); });
}

}  // namespace

CommandAction DeclareLogs(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  app.add_option("JOB", flags->job, "a job's id, or its full name")->required();
  app.add_flag("-f,--follow", flags->follow, "go on until the attempt has ended");
  app.add_option("--attempt", flags->attempt, "which run of the worker: 1, 2... (the newest)");
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
