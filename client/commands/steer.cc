// SPDX-License-Identifier: Apache-2.0
// The commands that steer a server's jobs: cancel, suspend, resume, retry, update, rm.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/commands/labels.h"
#include "client/exit_code.h"
#include "client/jobs.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::vector<std::string> jobs;
  ServerAddress server;
  OutputFlags shown;
};

/// What is done to one job, and what is printed of it.
using Action = std::function<absl::Status(const Connection&, const std::string& name, const Console&)>;

/// One after the other. A job to which it cannot be done does not keep the others from it: the last fault is the
/// command's, the earlier ones are told here.
absl::Status DoToEach(const Flags& flags, absl::string_view command, const Action& action, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, command));
  std::vector<std::string> names;
  for (const std::string& text : flags.jobs) {
    PIVOT_ASSIGN_OR_RETURN(names.emplace_back(), JobName(text));
  }
  absl::Status fault;
  for (const std::string& name : names) {
    absl::Status status = action(session->connection(), name, console);
    if (status.ok()) continue;
    if (!fault.ok()) *console.err << "pivot: " << fault.message() << "\n" << std::flush;
    fault = std::move(status);
    if (absl::IsUnavailable(fault)) break;
  }
  return fault;
}

absl::Status PrintJob(const absl::StatusOr<v1::Job>& job, const Flags& flags, const Console& console) {
  PIVOT_RETURN_IF_ERROR(job.status());
  if (flags.shown.json) {
    PrintJson(ToJson(*job), console.out);
  } else {
    *console.out << job->name() << " " << StateName(job->state()) << "\n" << std::flush;
  }
  return absl::OkStatus();
}

void AddFlags(CLI::App& app, Flags* flags) {
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  app.add_option("JOB", flags->jobs, "ids of jobs, or their full names")->required();
}

using SteerCall = absl::StatusOr<v1::Job> (*)(const Connection&, const std::string&, const CallLimits&);

CommandAction DeclareSteer(CLI::App& app, const char* command, SteerCall call) {
  auto flags = std::make_shared<Flags>();
  AddFlags(app, flags.get());
  return [flags, command, call](const Console& to) {
    return DoToEach(
        *flags, command,
        [&](const Connection& connection, const std::string& name, const Console& console) {
          return PrintJob(call(connection, name, {}), *flags, console);
        },
        to);
  };
}

absl::Status RunRm(const Flags& flags, const Console& to) {
  return DoToEach(
      flags, "rm",
      [&](const Connection& connection, const std::string& name, const Console& console) -> absl::Status {
        PIVOT_RETURN_IF_ERROR(DeleteJob(connection, name));
        if (flags.shown.json) {
          PrintJson({{"name", name}, {"deleted", true}}, console.out);
        } else {
          *console.out << name << " deleted\n" << std::flush;
        }
        return absl::OkStatus();
      },
      to);
}

struct UpdateFlags {
  Flags common;
  std::optional<int64_t> priority;
  std::vector<std::string> labels;
  std::vector<std::string> removed_labels;
  std::string queue_timeout;
  std::string ttl;
};

/// Nothing when the flag was not given; infinite for "none".
absl::StatusOr<std::optional<absl::Duration>> LimitOf(absl::string_view flag, const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (text == "none") return absl::InfiniteDuration();
  PIVOT_ASSIGN_OR_RETURN(const absl::Duration limit, ParseTimeLimit(flag, text));
  return limit;
}

absl::StatusOr<JobUpdate> UpdateOf(const UpdateFlags& flags) {
  JobUpdate update{.removed_labels = flags.removed_labels};
  if (flags.priority.has_value()) {
    PIVOT_RETURN_IF_ERROR(CheckRange("--priority", static_cast<double>(*flags.priority), 1, 100));
    update.priority = static_cast<int32_t>(*flags.priority);
  }
  PIVOT_ASSIGN_OR_RETURN(update.labels, ParseLabels(flags.labels));
  for (const std::string& key : flags.removed_labels) PIVOT_RETURN_IF_ERROR(CheckLabelKey("--remove-label", key));
  PIVOT_ASSIGN_OR_RETURN(update.queue_timeout, LimitOf("--queue-timeout", flags.queue_timeout));
  PIVOT_ASSIGN_OR_RETURN(update.ttl, LimitOf("--ttl", flags.ttl));
  if (update.changes_something()) return update;
  return UsageError("nothing to update: give --priority, --label, --remove-label, --queue-timeout or --ttl");
}

absl::Status RunUpdate(const UpdateFlags& flags, const Console& to) {
  PIVOT_ASSIGN_OR_RETURN(const JobUpdate update, UpdateOf(flags));
  return DoToEach(
      flags.common, "update",
      [&](const Connection& connection, const std::string& name, const Console& console) {
        return PrintJob(UpdateJob(connection, name, update), flags.common, console);
      },
      to);
}

}  // namespace

CommandAction DeclareCancel(CLI::App& app) { return DeclareSteer(app, "cancel", &CancelJob); }

CommandAction DeclareSuspend(CLI::App& app) { return DeclareSteer(app, "suspend", &SuspendJob); }

CommandAction DeclareResume(CLI::App& app) { return DeclareSteer(app, "resume", &ResumeJob); }

CommandAction DeclareRetry(CLI::App& app) { return DeclareSteer(app, "retry", &RetryJob); }

CommandAction DeclareRm(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddFlags(app, flags.get());
  return [flags](const Console& console) { return RunRm(*flags, console); };
}

CommandAction DeclareUpdate(CLI::App& app) {
  auto flags = std::make_shared<UpdateFlags>();
  AddFlags(app, &flags->common);
  app.add_option("--priority", flags->priority, "place in the queue, 1 to 100, higher first");
  app.add_option("--label", flags->labels, "KEY=VALUE, added or changed; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--remove-label", flags->removed_labels, "a KEY; may be given several times")->allow_extra_args(false);
  app.add_option("--queue-timeout", flags->queue_timeout,
                 "longest that the job may wait for a device, as 90m or 1h30m; none: no limit");
  app.add_option("--ttl", flags->ttl,
                 "how long the job and what it published are kept once it has ended; none: until `rm`");
  return [flags](const Console& console) { return RunUpdate(*flags, console); };
}

}  // namespace pivot::client
