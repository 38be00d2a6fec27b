// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

#include "client/backoff.h"
#include "client/commands/command.h"
#include "client/commands/compress_flags.h"
#include "client/commands/flags.h"
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
  bool wait = false;
  OutputFlags shown;
};

absl::Status Run(const Flags& flags, const Console& console) {
  PIVOT_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, RemoteSession(flags.compress.server, "submit"));
  ModelFinder finder(console, flags.shown);
  PIVOT_ASSIGN_OR_RETURN(const v1::JobSpec spec, SpecOf(flags.compress, &finder));
  CreateOptions options{.request_id = RandomRequestId()};
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
  app.add_flag("--wait", flags->wait, "follow the job until it ends; exit code 0 only if it succeeded");
  AddOutputFlags(app, &flags->shown);
  return [flags](const Console& console) { return Run(*flags, console); };
}

}  // namespace pivot::client
