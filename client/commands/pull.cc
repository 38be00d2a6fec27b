// SPDX-License-Identifier: Apache-2.0
#include "client/pull.h"

#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/backoff.h"
#include "client/commands/command.h"
#include "client/commands/flags.h"
#include "client/exit_code.h"
#include "client/jobs.h"
#include "client/view/units.h"
#include "proto/status/status_macros.h"

namespace pivot::client {
namespace {

struct Flags {
  std::string pivot;
  std::string folder;
  ServerAddress server;
  OutputFlags shown;
};

struct PivotName {
  std::string job;
  int number = -1;  // the newest
};

absl::StatusOr<PivotName> ParsePivot(const std::string& text) {
  const size_t colon = text.rfind(':');
  PivotName name;
  PIVOT_ASSIGN_OR_RETURN(name.job, JobName(absl::string_view(text).substr(0, colon)));
  if (colon == std::string::npos) return name;
  const std::string number = text.substr(colon + 1);
  if (!absl::SimpleAtoi(number, &name.number) || name.number < 0) {
    return UsageError(
        absl::StrCat("\"", number, "\" is not the number of a pivot: give JOB:0, JOB:1... or JOB for the newest"),
        "JOB");
  }
  return name;
}

absl::StatusOr<v1::CheckpointRef> FindPivot(const PivotName& name, Session* session, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const v1::Job job, GetJob(session->connection(), name.job, {.stop = console.interrupted}));
  if (name.number < 0 && !job.checkpoints().empty()) return *job.checkpoints().rbegin();
  for (const v1::CheckpointRef& checkpoint : job.checkpoints()) {
    if (checkpoint.number() == name.number) return checkpoint;
  }
  return absl::NotFoundError(
      absl::StrCat(job.name(), " (", StateName(job.state()), ") has ",
                   name.number < 0 ? "published nothing yet" : absl::StrCat("no pivot ", name.number), "; `pivot get ",
                   ShortName(job.name()), "` shows what it has"));
}

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const PivotName name, ParsePivot(flags.pivot));
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.server, "pull"));
  PIVOT_ASSIGN_OR_RETURN(const v1::CheckpointRef checkpoint, FindPivot(name, session.get(), console));
  const std::string folder =
      flags.folder.empty() ? absl::StrCat("./", ShortName(name.job), "-", checkpoint.number()) : flags.folder;
  Reporter reporter(console, flags.shown);
  PullOptions options;
  options.fetch.stop = console.interrupted;
  options.on_progress = [&reporter](const PullProgress& progress) {
    reporter.OnTransfer({.stage = "download",
                         .done_bytes = progress.done_bytes,
                         .total_bytes = progress.total_bytes,
                         .path = progress.path});
  };
  absl::StatusOr<PullSummary> summary = PullCheckpoint(session->connection(), checkpoint.name(), folder, options);
  if (!summary.ok() && !absl::IsFailedPrecondition(summary.status())) {
    reporter.Note("what was fetched is kept; the same command fetches the rest");
  }
  PIVOT_RETURN_IF_ERROR(summary.status());
  if (flags.shown.json) {
    PrintJson({{"checkpoint", checkpoint.name()},
               {"output", folder},
               {"files", summary->manifest.files.size()},
               {"fetched_bytes", summary->fetched_bytes},
               {"kept_bytes", summary->kept_bytes}},
              console.out);
  } else {
    reporter.Note(absl::StrCat(FormatBytes(summary->fetched_bytes), " fetched, ", FormatBytes(summary->kept_bytes),
                               " were there, every hash is right"));
    *console.out << folder << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

CommandAction DeclarePull(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("JOB", flags->pivot, "a job, or one of its pivots: JOB:N (the newest)")->required();
  app.add_option("DIR", flags->folder, "where to (./JOB-N)");
  AddServerFlag(app, &flags->server);
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
