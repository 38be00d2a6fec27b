// SPDX-License-Identifier: Apache-2.0
// The commands that steer a server's jobs: cancel, suspend, resume, retry.
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/jobs.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

using SteerCall = absl::StatusOr<v1::Job> (*)(const Connection&, const std::string&, const CallLimits&);

struct Flags {
  std::vector<std::string> jobs;
  std::string server;
  OutputFlags shown;
};

/// One after the other. A job that cannot be steered does not keep the others from it: the first fault is the
/// command's, the later ones are told here.
absl::Status RunSteer(const Flags& flags, const char* command, SteerCall call, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, command));
  std::vector<std::string> names;
  for (const std::string& text : flags.jobs) {
    PIVOT_ASSIGN_OR_RETURN(names.emplace_back(), JobName(text));
  }
  absl::Status fault;
  for (const std::string& name : names) {
    const auto job = call(session->connection(), name, {});
    if (!job.ok()) {
      if (!fault.ok()) *console.err << "pivot: " << fault.message() << "\n" << std::flush;
      fault = job.status();
      if (absl::IsUnavailable(fault)) break;
    } else if (flags.shown.json) {
      PrintJson(ToJson(*job), console.out);
    } else {
      *console.out << job->name() << " " << StateName(job->state()) << "\n" << std::flush;
    }
  }
  return fault;
}

CommandAction DeclareSteer(CLI::App& app, const char* command, SteerCall call) {
  auto flags = std::make_shared<Flags>();
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  app.add_option("JOB", flags->jobs, "ids of jobs, or their full names")->required();
  return [flags, command, call](const Console& console) { return RunSteer(*flags, command, call, console); };
}

}  // namespace

CommandAction DeclareCancel(CLI::App& app) { return DeclareSteer(app, "cancel", &CancelJob); }

CommandAction DeclareSuspend(CLI::App& app) { return DeclareSteer(app, "suspend", &SuspendJob); }

CommandAction DeclareResume(CLI::App& app) { return DeclareSteer(app, "resume", &ResumeJob); }

CommandAction DeclareRetry(CLI::App& app) { return DeclareSteer(app, "retry", &RetryJob); }

}  // namespace pivot::client
