// SPDX-License-Identifier: Apache-2.0
// The commands that look at a server's jobs: ls, get, watch.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

#include "client/backoff.h"
#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/commands/labels.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/jobs.h"
#include "client/view/job_text.h"
#include "client/view/project_lines.h"
#include "client/watch_all.h"
#include "proto/json.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::string job;
  bool all = false;
  std::optional<int64_t> after;
  int64_t limit = 100;
  ListChoice choice;
  std::string order;
  ServerAddress server;
  OutputFlags shown;
};

std::shared_ptr<Flags> DeclareFlags(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  return flags;
}

std::shared_ptr<Flags> DeclareJobFlags(CLI::App& app) {
  auto flags = DeclareFlags(app);
  app.add_option("JOB", flags->job, "a job's id, or its full name")->required();
  return flags;
}

absl::Status RunLs(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, "ls"));
  if (flags.limit < 0)
    return UsageError(absl::StrCat("--limit is ", flags.limit, "; allowed: 0 (all) and more"), "--limit");
  ListOptions options{.limit = static_cast<size_t>(flags.limit), .order_by = flags.order};
  PIVOT_ASSIGN_OR_RETURN(options.filter, FilterOf(flags.choice));
  PIVOT_ASSIGN_OR_RETURN(const std::vector<v1::Job> jobs, ListJobs(session->connection(), kDefaultProject, options));
  if (flags.shown.json) {
    for (const v1::Job& job : jobs) PrintJson(ToJson(job), console.out);
  } else {
    *console.out << RenderJobs(jobs, absl::Now());
  }
  return absl::OkStatus();
}

absl::Status RunGet(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, "get"));
  PIVOT_ASSIGN_OR_RETURN(const std::string name, JobName(flags.job));
  PIVOT_ASSIGN_OR_RETURN(const v1::Job job, GetJob(session->connection(), name));
  if (flags.shown.json) {
    PrintJson(ToJson(job), console.out);
  } else {
    *console.out << RenderJob(job);
  }
  return absl::OkStatus();
}

absl::Status RunWatchAll(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, "watch"));
  // Says at once when the server is away; the watch itself would wait for it.
  PIVOT_RETURN_IF_ERROR(GetCapabilities(session->connection(), {.stop = console.interrupted}).status());
  Reporter reporter(console, flags.shown);
  ProjectLines lines(flags.shown.verbose ? Detail::kAll : Detail::kNormal);
  WatchAllOptions options;
  if (flags.after.has_value()) options.after_project_seq = static_cast<uint64_t>(*flags.after);
  options.reconnect.stop = console.interrupted;
  options.reconnect.before_reconnect = [&reporter](const absl::Status& lost) {
    reporter.Note(absl::StrCat(lost.message(), "; trying again"));
    return absl::OkStatus();
  };
  return WatchJobs(session->connection(), kDefaultProject, options, [&](const v1::JobEvent& event) {
    if (flags.shown.json) return PrintJson(EventJson(event), console.out);
    const std::string line = lines.LineOf(event, absl::Now());
    if (!line.empty()) *console.out << line << "\n" << std::flush;
  });
}

absl::Status RunWatch(const Flags& flags, const Console& console) {
  if (flags.all && !flags.job.empty()) return UsageError("JOB and --all exclude each other", "--all");
  if (flags.after.has_value() && !flags.all) return UsageError("--after goes with --all", "--after");
  if (flags.after.has_value() && *flags.after < 0) {
    return UsageError(absl::StrCat("--after is ", *flags.after, "; allowed: 0 (all) and more"), "--after");
  }
  if (flags.all) return RunWatchAll(flags, console);
  if (flags.job.empty()) return UsageError("which job? give its id as `pivot ls` prints it, or --all", "job");
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, "watch"));
  PIVOT_ASSIGN_OR_RETURN(const std::string name, JobName(flags.job));
  // Says at once when there is no such job or server; the watch itself would wait for the server.
  PIVOT_ASSIGN_OR_RETURN(const v1::Job job, GetJob(session->connection(), name, {.stop = console.interrupted}));
  Reporter reporter(console, flags.shown);
  absl::StatusOr<v1::Job> ended = FollowJob(job, session.get(), &reporter, {.stop = console.interrupted});
  if (IsInterrupted(ended.status())) reporter.Note("the job goes on");
  PIVOT_RETURN_IF_ERROR(ended.status());
  if (flags.shown.json) {
    PrintJson(ToJson(*ended), console.out);
  } else {
    *console.out << RenderJob(*ended);
  }
  return JobOutcome(*ended);
}

}  // namespace

CommandAction DeclareLs(CLI::App& app) {
  auto flags = DeclareFlags(app);
  app.add_option("--limit", flags->limit, "how many at most, 0 for all (100)");
  app.add_option("--state", flags->choice.states, "only jobs that are queued, running...; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--label", flags->choice.labels,
                 "only jobs with this label, KEY or KEY=VALUE; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--filter", flags->choice.filter,
                 "comparisons joined by AND and OR (which binds closer), with NOT and parentheses, as 'priority >= 50 "
                 "AND create_time > "
                 "\"2026-01-31T00:00:00Z\"'; of state, priority, create_time, update_time, labels.KEY, labels:KEY");
  app.add_option("--order", flags->order,
                 "create_time, update_time or priority, with ' desc' for the largest first ('create_time desc')");
  return [flags](const Console& console) { return RunLs(*flags, console); };
}

CommandAction DeclareGet(CLI::App& app) {
  return [flags = DeclareJobFlags(app)](const Console& console) { return RunGet(*flags, console); };
}

CommandAction DeclareWatch(CLI::App& app) {
  auto flags = DeclareFlags(app);
  app.add_option("JOB", flags->job, "a job's id, or its full name");
  app.add_flag("--all", flags->all, "the events of all jobs, from now on, until Ctrl-C");
  app.add_option(
      "--after", flags->after,
      "with --all: also what was stored after the event with this project_seq, as --json shows it; 0 for all");
  return [flags](const Console& console) { return RunWatch(*flags, console); };
}

}  // namespace pivot::client
