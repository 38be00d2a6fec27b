// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

#include "client/backoff.h"
#include "client/commands/command.h"
#include "client/commands/compress_flags.h"
#include "client/commands/flags.h"
#include "client/commands/labels.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/jobs.h"
#include "client/request_id.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  CompressFlags compress;
  std::vector<std::string> labels;
  std::optional<int64_t> priority;
  std::string run_timeout;
  std::string queue_timeout;
  std::string ttl;
  bool wait = false;
  OutputFlags shown;
};

absl::Status AddTimeLimits(const Flags& flags, v1::JobSpec* spec) {
  if (!flags.run_timeout.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const absl::Duration limit, ParseTimeLimit("--run-timeout", flags.run_timeout));
    *spec->mutable_run_timeout() = ToDuration(limit);
  }
  if (!flags.queue_timeout.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const absl::Duration limit, ParseTimeLimit("--queue-timeout", flags.queue_timeout));
    *spec->mutable_queue_timeout() = ToDuration(limit);
  }
  if (!flags.ttl.empty()) {
    PIVOT_ASSIGN_OR_RETURN(const absl::Duration limit, ParseTimeLimit("--ttl", flags.ttl));
    *spec->mutable_ttl() = ToDuration(limit);
  }
  return absl::OkStatus();
}

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.compress.server, "submit"));
  CreateOptions options{.request_id = RandomRequestId()};
  PIVOT_ASSIGN_OR_RETURN(options.labels, ParseLabels(flags.labels));
  if (flags.priority.has_value()) {
    PIVOT_RETURN_IF_ERROR(CheckRange("--priority", static_cast<double>(*flags.priority), 1, 100));
  }
  v1::JobSpec limits;  // before a model is looked for
  PIVOT_RETURN_IF_ERROR(AddTimeLimits(flags, &limits));
  ModelFinder finder(console, flags.shown);
  PIVOT_ASSIGN_OR_RETURN(v1::JobSpec spec, SpecOf(flags.compress, &finder));
  spec.set_priority(static_cast<int32_t>(flags.priority.value_or(0)));
  spec.MergeFrom(limits);
  options.limits.stop = console.interrupted;
  PIVOT_ASSIGN_OR_RETURN(v1::Job job, CreateJob(session->connection(), spec, options));
  if (flags.shown.json) {
    PrintJson(ToJson(job), console.out);
  } else {
    *console.out << job.name() << "\n" << std::flush;
  }
  if (!flags.wait) return absl::OkStatus();
  Reporter reporter(console, flags.shown);
  absl::StatusOr<v1::Job> ended = FollowJob(job, session.get(), &reporter, {.stop = console.interrupted});
  if (IsInterrupted(ended.status())) {
    reporter.Note(absl::StrCat("the job goes on; `pivot watch ", ShortName(job.name()), "` follows it, `pivot cancel ",
                               ShortName(job.name()), "` ends it"));
  }
  PIVOT_RETURN_IF_ERROR(ended.status());
  if (flags.shown.json) PrintJson(ToJson(*ended), console.out);
  return JobOutcome(*ended);
}

}  // namespace

CommandAction DeclareSubmit(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddCompressFlags(app, &flags->compress);
  app.add_option("--priority", flags->priority, "place in the queue, 1 to 100, higher first (50)");
  app.add_option("--label", flags->labels, "KEY=VALUE, to find the job by; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--run-timeout", flags->run_timeout,
                 "longest that one attempt may run, as 90m or 1h30m; then the job fails and can be retried (no limit)");
  app.add_option(
      "--queue-timeout", flags->queue_timeout,
      "longest that the job may wait for a device, as 90m or 1h30m; then it fails and can be retried (no limit)");
  app.add_option("--ttl", flags->ttl, "how long the job and what it published are kept once it has ended (until `rm`)");
  app.add_flag("--wait", flags->wait, "follow the job until it ends; exit code 0 only if it succeeded");
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
